"""Steps in parts: what is computed does not depend on how a step is divided."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from trainer import loop, models, session, sitting
from trainer.cli import main
from trainer.runs import Run

TITLES = [f"What would you do with {n} {what}?" for n in range(60) for what in ("cats", "dogs")]
NANO = models.Size(layers=2, heads=2, width=32, vocabulary=320, lr=0.01)
OPEN = sitting.open_session


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.SIZES, "nano", NANO)
    monkeypatch.setattr(loop, "SAMPLE_TOKENS", 4)
    Path("titles.txt").write_text("\n".join(TITLES), encoding="utf-8")


def finetune(run: str, *words: str) -> int:
    return main(
        ["finetune", "titles.txt", "--model", "fresh:nano", "--batch-size", "8", "--steps", "6",
         "--eval-every", "3", "--no-export", "--threads", "1", "--run", run, *words]
    )  # fmt: skip


def weights(run: str) -> dict[str, Tensor]:
    return load_file(Run(Path("runs") / run).last / "model.safetensors")


def losses(run: str) -> list[float | None]:
    lines = Run(Path("runs") / run).metrics.read_text().splitlines()
    return [json.loads(line)[key] for line in lines for key in ("train_loss", "val_loss")]


def short_of_memory(monkeypatch: pytest.MonkeyPatch, rows: int, error: Exception) -> list[int]:
    """Let the model fail on more than so many rows, but for the first; gives the rows it saw."""
    seen: list[int] = []

    def hook(_: Any, arguments: tuple[Tensor]) -> None:
        seen.append(len(arguments[0]))
        if len(arguments[0]) > rows and len(seen) > 1:
            raise error

    def opened(*arguments: Any) -> session.Session:
        made = OPEN(*arguments)
        made.model.get_input_embeddings().register_forward_pre_hook(hook)
        return made

    monkeypatch.setattr(sitting, "open_session", opened)
    return seen


def test_a_step_in_parts_learns_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "low_precision", lambda _: False)
    for size in ("8", "3", "1"):
        assert finetune(f"by-{size}", "--micro-batch", size) == 0
    for run in ("by-3", "by-1"):
        assert losses(run) == pytest.approx(losses("by-8"), rel=1e-4)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_where_memory_runs_out_the_step_is_made_in_smaller_parts(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Gradients of the parts that did fit are forgotten, and dropout is drawn again."""
    assert finetune("small", "--dropout", "0.2", "--micro-batch", "2") == 0
    seen = short_of_memory(monkeypatch, 3, error)
    assert finetune("halved", "--dropout", "0.2", "--micro-batch", "4") == 0
    assert "going on with micro-batches of 2." in capsys.readouterr().err
    assert seen[:4] == [4, 4, 2, 2]
    assert losses("halved") == losses("small")
    wanted = weights("small")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in weights("halved").items())


def test_no_memory_for_one_window_is_a_sentence_with_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    short_of_memory(monkeypatch, 0, MemoryError())
    assert finetune("ask") == 1
    said = capsys.readouterr().err
    assert "even one window at a time: try a smaller --context" in said
    assert "Traceback" not in said


def test_no_memory_for_the_optimizer_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def failing(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.optim.AdamW, "step", failing)
    assert finetune("ask") == 1
    assert "not enough memory for this model: try" in capsys.readouterr().err


def test_another_error_is_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch):
    short_of_memory(monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        finetune("ask")
