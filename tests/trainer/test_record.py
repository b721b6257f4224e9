import json
from pathlib import Path

import pytest

from tests.trainer.runs_on_disk import make_run
from trainer.checkpoint import State
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
