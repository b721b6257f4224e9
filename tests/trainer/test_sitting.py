"""Training from Python, as a notebook does."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from trainer import loop, models
from trainer.cli import main
from trainer.locks import run_lock
from trainer.metrics import read_metrics
from trainer.runs import Run
from trainer.settings import Settings
from trainer.sitting import finetune

NANO = models.Size(layers=2, heads=2, width=32, vocabulary=320, lr=0.01)
SETTINGS = Settings(
    data="cats.txt", model="fresh:nano", steps=6, batch_size=8, eval_every=3, dropout=0.1
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.SIZES, "nano", NANO)
    monkeypatch.setattr(loop, "SAMPLE_TOKENS", 4)
    for what in ("cats", "dogs"):
        titles = [f"What would you do with {n} {what}?" for n in range(120)]
        Path(f"{what}.txt").write_text("\n".join(titles), encoding="utf-8")


def sit(settings: Settings, name: str, threads: int | None = None) -> Run:
    run = Run(Path("runs") / name)
    with run_lock(run):
        assert finetune(settings, run, threads=threads).state == "finished"
    return run


def surroundings() -> list[object]:
    """What a sitting may change while it lasts."""
    return [
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        transformers.logging.get_verbosity(),
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
    ]


def test_two_models_are_trained_after_each_other_and_both_write(
    capsys: pytest.CaptureFixture[str],
):
    """The second is as if it had been the only one."""
    alone = sit(replace(SETTINGS, data="dogs.txt"), "alone")
    for what in ("cats", "dogs"):
        sit(replace(SETTINGS, data=f"{what}.txt"), what)
    trained = [(row.step, row.train_loss, row.val_loss) for row in read_metrics(alone)]
    again = read_metrics(Run(Path("runs/dogs")))
    assert [(row.step, row.train_loss, row.val_loss) for row in again] == trained
    capsys.readouterr()
    for what in ("cats", "dogs"):
        assert main(["generate", "--run", what, "--prefix", "What", "--max-tokens", "8"]) == 0
        assert capsys.readouterr().out.startswith("What")


def test_a_sitting_leaves_the_process_as_it_was():
    torch.manual_seed(99)
    before = surroundings()
    sit(SETTINGS, "ask", threads=torch.get_num_threads() + 1)
    assert surroundings() == before


def test_a_command_leaves_the_process_as_it_was():
    before = surroundings()
    words = ["finetune", "cats.txt", "--model", "fresh:nano", "--run", "ask", "--steps", "2"]
    assert main([*words, "--no-export"]) == 0
    assert surroundings() == before
