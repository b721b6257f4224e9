"""The whole command, with models small enough to train for real in seconds."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tests.models import tiny_checkpoint
from trainer import loop, models
from trainer.cli import main
from trainer.encode import TokenFile
from trainer.locks import run_lock
from trainer.runs import Run

TITLES = [
    f"{ask} would you {do} with {n} {what}?"
    for ask in ("What", "Why", "How")
    for do in ("do", "play", "live")
    for n in range(2, 12)
    for what in ("apples", "dogs")
]
STEP = loop._step
NANO = models.Size(layers=2, heads=2, width=32, vocabulary=320, lr=0.01)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.SIZES, "nano", NANO)
    monkeypatch.setattr(loop, "SAMPLE_TOKENS", 4)
    Path("titles.txt").write_text("\n".join(TITLES), encoding="utf-8")


def finetune(*words: str, run: str = "ask") -> int:
    return main(["finetune", "--run", run, "--threads", "1", *words])


def fresh(*words: str, run: str = "ask") -> int:
    return finetune(
        "titles.txt", "--model", "fresh:nano", "--batch-size", "8", "--dropout", "0.1",
        "--eval-every", "8", "--no-export", *words, run=run,
    )  # fmt: skip


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def metrics(run: str = "ask") -> list[dict[str, Any]]:
    return objects(Run(Path("runs") / run).metrics)


def comparable(run: str) -> list[dict[str, Any]]:
    """The metrics of a run without its speed, which no two runs share."""
    return [{**row, "tokens_per_s": None} for row in metrics(run)]


def on_tensorboard(run: str, tag: str) -> list[tuple[int, float]]:
    """What TensorBoard shows of a scalar."""
    events = EventAccumulator(f"runs/{run}/tensorboard")
    events.Reload()
    return [(one.step, one.tensor_proto.float_val[0]) for one in events.Tensors(tag)]


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send Ctrl-C to this very process while that step is made."""

    def stopping(session: loop.Session, lr: float) -> torch.Tensor:
        if session.state.step == step - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return STEP(session, lr)

    monkeypatch.setattr(loop, "_step", stopping)


def test_a_file_of_titles_becomes_a_model_that_has_learnt_them(
    capsys: pytest.CaptureFixture[str],
):
    words = ["--steps", "60", "--eval-every", "20", "--sample-every", "30", "--prefix", "What"]
    assert finetune("titles.txt", "--model", "fresh:nano", "--batch-size", "8", *words) == 0
    rows = metrics()
    assert set(rows[0]) == {"step", "tokens", "train_loss", "val_loss", "lr", "tokens_per_s"}
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60]
    assert [row["val_loss"] is not None for row in rows] == [False, True] * 3
    assert rows[-1]["val_loss"] < rows[1]["val_loss"] < 5
    samples = objects(Path("runs/ask/samples.jsonl"))
    assert {sample["step"] for sample in samples} == {30, 60}
    assert all(sample["text"].startswith("What") for sample in samples)
    assert all(sample["copied_words"] >= 1 for sample in samples), "its prefix is copied at least"
    assert all(sample["people_share"] > 0 for sample in samples)
    card = json.loads(Path("models/ask/card.json").read_text())
    assert card["prepend_end_token"] is True
    assert card["defaults"] == {"prefix": "What"}
    assert card["data"]["rows"] == len(TITLES)
    assert card["training"]["val_loss"] == min(row["val_loss"] or 9 for row in rows)
    captured = capsys.readouterr()
    assert "models/ask" in captured.out
    for said in ("titles.txt: lines", "  | What would you do with 2 apples?", "0 s left"):
        assert said in captured.err


def test_a_run_that_was_stopped_and_resumed_equals_the_unbroken_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert fresh("--steps", "24", run="unbroken") == 0
    stop_at(monkeypatch, 13)
    assert fresh("--steps", "24") == 1
    assert "python -m trainer finetune --run ask --resume" in capsys.readouterr().err
    monkeypatch.setattr(loop, "_step", STEP)
    assert finetune("--resume", "--no-export") == 0
    assert comparable("ask") == comparable("unbroken")
    command = json.loads(Run(Path("runs/ask")).about.read_text())["training"]["command"]
    assert "titles.txt --model fresh:nano" in command
    for checkpoint in ("best", "last"):
        one, other = (
            load_file(f"runs/{run}/checkpoints/{checkpoint}/model.safetensors")
            for run in ("ask", "unbroken")
        )
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
):
    class KilledError(Exception):
        pass

    def until_13(session: loop.Session, lr: float) -> torch.Tensor:
        if session.state.step == 13:
            raise KilledError
        return STEP(session, lr)

    assert fresh("--steps", "24", run="unbroken") == 0
    monkeypatch.setattr(loop, "_step", until_13)
    with pytest.raises(KilledError):
        fresh("--steps", "24")
    monkeypatch.setattr(loop, "_step", STEP)
    assert metrics()[-1]["step"] == 10
    assert finetune("--resume", "--no-export") == 0
    # The checkpoint of step 8 was gone on from: the line of step 10 is written anew.
    assert comparable("ask") == comparable("unbroken")
    for tag in ("loss/training", "loss/validation"):
        assert on_tensorboard("ask", tag) == on_tensorboard("unbroken", tag)
    assert Run(Path("runs/ask")).curve.is_file()


def test_finetuning_a_local_model_keeps_its_tokenizer_and_says_so_on_the_card():
    checkpoint = tiny_checkpoint(Path("base"), context=32)
    words = ["--model", "base", "--steps", "3", "--batch-size", "4"]
    assert finetune("titles.txt", *words) == 0
    run = Run(Path("runs/ask"))
    assert json.loads(run.tokenizer.read_text()) == json.loads(
        (checkpoint / "tokenizer.json").read_text()
    )
    card = json.loads(Path("models/ask/card.json").read_text())
    assert card["base"] == "base"
    assert card["architecture"]["context"] == 32


def test_finetuning_a_run_of_ones_own_tells_both_parts_of_its_history():
    assert fresh("--steps", "2", run="broad") == 0
    words = ["--model", "runs/broad/checkpoints/best", "--steps", "2", "--no-export"]
    assert finetune("titles.txt", *words) == 0
    about = json.loads(Run(Path("runs/ask")).about.read_text())
    assert "--model fresh:nano" in about["training"]["base"]["command"]
    assert about["data"]["base"]["rows"] == len(TITLES)
    assert about["base"] == ""


def test_several_files_are_one_set_of_data_and_resume_needs_none_of_their_names():
    half = len(TITLES) // 2
    Path("one.csv").write_text("id;title\n" + "".join(f"1;{text}\n" for text in TITLES[:half]))
    Path("two.jsonl").write_text("".join(json.dumps({"t": text}) + "\n" for text in TITLES[half:]))
    words = ("one.csv", "two.js*", "--model", "fresh:nano", "--batch-size", "8", "--steps", "2")
    assert finetune(*words, "--consent", "all", "--no-export") == 0
    run = Run(Path("runs/ask"))
    data = json.loads(run.about.read_text())["data"]
    assert [(file["file"], file["rows"]) for file in data["files"]] == [
        ("one.csv", half),
        ("two.jsonl", len(TITLES) - half),
    ]
    assert data["consent"] == "all"
    assert finetune("--resume", "--steps", "3", "--no-export") == 0
    assert finetune("one.csv", "--resume", "--steps", "4", "--no-export") == 1


def test_long_text_is_trained_on_as_one(tmp_path: Path):
    verse = "ROMEO:\nBut soft, what light through\nyonder window breaks?\n\n"
    Path("play.txt").write_text(verse * 400, encoding="utf-8")
    words = ["--model", "fresh:nano", "--steps", "2", "--context", "32", "--no-export"]
    assert finetune("play.txt", *words, run="stage") == 0
    run = Run(Path("runs/stage"))
    assert json.loads(run.about.read_text())["prepend_end_token"] is False
    ends = np.flatnonzero(np.load(run.training) == 0)
    assert len(ends) == 2


def test_training_ends_when_patience_is_lost(monkeypatch: pytest.MonkeyPatch):
    losses = iter([3.0, 2.0, 2.5, 2.6, 1.0])
    monkeypatch.setattr(loop, "validate", lambda _: next(losses))
    assert fresh("--steps", "40", "--patience", "2") == 0
    assert metrics()[-1]["step"] == 32
    best = json.loads(Path("runs/ask/checkpoints/best/state.json").read_text())
    assert (best["step"], best["best_val_loss"]) == (16, 2.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["titles.txt"], "Give the file of texts and --model"),
        (["none.txt", "--model", "fresh:nano"], "cannot be read"),
        (["titles.txt", "--model", "fresh:huge"], "no fresh size"),
        (["titles.txt", "--model", "nowhere"], "is no model"),
        (["empty.csv", "--model", "fresh:nano"], "is empty"),
        (["blank.csv", "--model", "fresh:nano"], "no texts"),
        (["short.txt", "--model", "fresh:nano"], "too short"),
        (["image.csv", "--model", "fresh:nano"], "is binary"),
        (["late.txt", "--model", "fresh:nano"], "--encoding"),
        (["titles.txt", "--model", "fresh:nano", "--lr", "7"], "--lr must be between"),
        (["--resume"], "There is no run"),
    ],
)
def test_bad_input_gets_a_sentence_and_leaves_nothing_behind(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    Path("empty.csv").write_bytes(b"")
    Path("blank.csv").write_text('title\n""\n" "\n')
    Path("short.txt").write_text("Why?\nHow?\n")
    Path("image.csv").write_bytes(b"\x89PNG\r\n\0\0")
    late = b"".join(b"What is %d?\n" % n for n in range(40_000)) + b"caf\xe9\n"
    Path("late.txt").write_bytes(late)
    assert finetune(*words) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert not Path("runs").exists() or not list(Path("runs").iterdir())
    assert not Path("models").exists()


@pytest.mark.parametrize("name", ["../../x", "a/b", ".x", "X"])
def test_a_run_name_that_is_no_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]):
    assert fresh(run=name) == 1
    assert "cannot be a name" in capsys.readouterr().err


def test_a_run_that_another_process_works_on_is_refused(capsys: pytest.CaptureFixture[str]):
    assert fresh("--steps", "1") == 0
    for words in (["--resume"], ["titles.txt", "--model", "fresh:nano"]):
        with run_lock(Run(Path("runs/ask"))):
            assert finetune(*words) == 1
        assert "Another process works on the run" in capsys.readouterr().err


def test_a_run_that_exists_is_not_written_over(capsys: pytest.CaptureFixture[str]):
    assert fresh("--steps", "1") == 0
    before = metrics()
    assert fresh("--steps", "1") == 1
    assert "--resume" in capsys.readouterr().err
    assert metrics() == before


def test_resuming_may_prolong_a_run_but_not_change_it(capsys: pytest.CaptureFixture[str]):
    assert fresh("--steps", "4") == 0
    assert finetune("--resume", "--no-export", "--lr", "0.5") == 1
    assert "which --resume keeps" in capsys.readouterr().err
    assert finetune("--resume", "--no-export", "--steps", "6") == 0
    assert metrics()[-1]["step"] == 6


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl"])
def test_a_damaged_log_stops_a_resumed_run_with_a_sentence(
    name: str, capsys: pytest.CaptureFixture[str]
):
    assert fresh("--steps", "4") == 0
    log = Path("runs/ask") / name
    log.write_text('{"st\n' + log.read_text())
    assert finetune("--resume", "--no-export", "--steps", "6") == 1
    assert f"{log} is damaged: move it away" in capsys.readouterr().err
    log.rename("away")
    assert finetune("--resume", "--no-export", "--steps", "6") == 0


def test_a_loss_that_is_no_number_stops_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(loop, "_step", lambda *_: torch.tensor(float("nan")))
    assert fresh("--steps", "20") == 1
    assert "lower --lr" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_data_is_read_leaves_no_run_behind(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(TokenFile, "append", lambda *_: os.kill(os.getpid(), number))
    try:
        assert fresh() == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err.endswith("Stopped.\n")
    assert not list(Path("runs").iterdir())
