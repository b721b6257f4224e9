import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.trainer.runs_on_disk import make_run, write_metrics
from trainer.checkpoint import State
from trainer.curves import Curve
from trainer.progress import Progress
from trainer.record import Record


def test_a_row_is_in_the_file_and_a_validation_draws_the_curve(tmp_path: Path):
    run = make_run(tmp_path, "ask")
    with Progress() as progress, Record(run, progress, 0) as record:
        record.row(State(step=10, tokens=80, train_loss=5.0), share=0.1, lr=0.01, speed=12.345)
        assert json.loads(run.metrics.read_text()) == {
            "step": 10, "tokens": 80, "train_loss": 5.0, "val_loss": None, "lr": 0.01,
            "tokens_per_s": 12.3,
        }  # fmt: skip
        assert not run.curve.exists()
        state = State(step=20, tokens=160, train_loss=4.0, val_loss=4.5)
        record.row(state, share=0.2, lr=0.01, speed=12)
        assert run.curve.read_bytes().startswith(b"\x89PNG")
        assert list(run.events.iterdir())


def test_samples_are_kept_and_shown_even_where_copies_cannot_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run(tmp_path, "ask")
    with Progress() as progress, Record(run, progress, 0) as record:
        record.samples(20, ["What is – it?"])
        record.samples(30, ["Why?"])
    kept = [json.loads(line) for line in run.samples.read_text().splitlines()]
    assert kept == [{"step": 20, "text": "What is – it?"}, {"step": 30, "text": "Why?"}]
    said = capsys.readouterr().err
    assert "» What is – it?" in said
    assert said.count("Copied runs are not measured") == 1


def test_a_picture_that_cannot_be_written_is_said_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run(tmp_path, "ask")
    run.curve.mkdir()
    with Progress() as progress, Record(run, progress, 0) as record:
        state = State(step=20, tokens=160, train_loss=4.0, val_loss=4.5)
        record.row(state, share=0.2, lr=0.01, speed=12)
    assert "The curve cannot be written" in capsys.readouterr().err
    assert run.metrics.read_text().count("\n") == 1


def test_the_curve_goes_on_where_an_earlier_sitting_ended(tmp_path: Path):
    run = make_run(tmp_path, "ask")
    write_metrics(run, [(5.0, 5.5), (4.0, None)])
    drawn: list[Curve] = []

    class Seen(Progress):
        def draw(self, curves: Sequence[Curve]) -> None:
            drawn[:] = curves

    with Seen() as progress, Record(run, progress, 20) as record:
        record.row(State(step=30, tokens=240, train_loss=3.0), share=0.3, lr=0.01, speed=12)
    training, validation = drawn
    assert list(training.points) == [(10, 5.0), (20, 4.0), (30, 3.0)]
    assert list(validation.points) == [(10, 5.5)]
