"""The whole command with models that are no GPT-2, and with what saves memory."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.models import tiny_checkpoint, tiny_llama, tiny_tokenizer
from tests.trainer.families import FAMILIES, checkpoint
from tests.trainer.gguf_files import write_gguf
from trainer import loop
from trainer.cli import main
from trainer.runs import Run

TITLES = [f"What would you do with {n} {what}?" for n in range(80) for what in ("cats", "dogs")]
STEP = loop._step


class KilledError(Exception):
    """Ends a run as kill -9 does: nothing more is written."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "SAMPLE_TOKENS", 4)
    Path("titles.txt").write_text("\n".join(TITLES), encoding="utf-8")


def finetune(*words: str, run: str = "ask") -> int:
    return main(["finetune", "--run", run, "--threads", "1", *words])


def start(model: str, *words: str, run: str = "ask") -> int:
    return finetune(
        "titles.txt", "--model", model, "--steps", "8", "--batch-size", "4", "--eval-every", "4",
        "--context", "32", *words, run=run,
    )  # fmt: skip


def losses(run: str = "ask") -> list[float | None]:
    lines = Run(Path("runs") / run).metrics.read_text().splitlines()
    return [json.loads(line)[key] for line in lines for key in ("train_loss", "val_loss")]


@pytest.mark.parametrize("words", [(), ("--lora", "4"), ("--weights", "bf16")], ids=" ".join)
def test_a_llama_is_finetuned_exported_to_the_engine_and_writes(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    tiny_llama(Path("base"))
    assert start("base", "--lr", "0.003", *words) == 0
    card = json.loads(Path("models/ask/card.json").read_text())
    assert (card["architecture"]["family"], card["base"]) == ("llama", "base")
    capsys.readouterr()
    assert main(["generate", "--model", "models/ask", "--prefix", "What", "--max-tokens", "8"]) == 0
    assert capsys.readouterr().out.startswith("What")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_without_a_graph_learns_and_is_served_in_another_way(
    family: str, capsys: pytest.CaptureFixture[str]
):
    checkpoint(Path("base"), family)
    assert start("base", "--lr", "0.003") == 0
    first, *_, last = (loss for loss in losses() if loss is not None)
    assert last < first
    said = capsys.readouterr().err
    assert 'backend = "transformers"' in said
    assert 'path = "runs/ask"' in said
    assert not Path("models/ask").exists()


def test_a_run_from_a_gguf_file_ends_texts_as_the_file_says():
    write_gguf(tiny_llama(Path("base")), Path("base.gguf"))
    assert start("base.gguf") == 0
    card = json.loads(Path("models/ask/card.json").read_text())
    assert card["end_token"] == tiny_tokenizer().token_to_id("<|endoftext|>")
    assert (np.load(Run(Path("runs/ask")).training) == card["end_token"]).sum() > 100


@pytest.mark.parametrize(
    "words",
    [
        ("--lora", "4"),
        ("--lora", "4", "--weights", "bf16", "--gradient-checkpointing"),
        ("--optimizer", "adamw8bit"),
        ("--optimizer", "muon", "--gradient-checkpointing"),
        ("--weights", "bf16"),
    ],
    ids=" ".join,
)
def test_a_killed_run_goes_on_exactly(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    def until_7(session: loop.Session, lr: float) -> torch.Tensor:
        if session.state.step == 7:
            raise KilledError
        return STEP(session, lr)

    tiny_checkpoint(Path("base"), width=64)
    more = ("--no-export", "--dropout", "0.1", "--lr", "0.01", *words)
    assert start("base", *more, run="unbroken") == 0
    monkeypatch.setattr(loop, "_step", until_7)
    with pytest.raises(KilledError):
        start("base", *more)
    monkeypatch.setattr(loop, "_step", STEP)
    assert finetune("--resume", "--no-export") == 0
    assert losses() == losses("unbroken")
    ends = [
        load_file(Run(Path("runs") / run).last / "model.safetensors") for run in ("ask", "unbroken")
    ]
    assert all(torch.equal(ends[0][name], tensor) for name, tensor in ends[1].items())


def test_gradient_checkpointing_changes_nothing_but_the_memory():
    tiny_llama(Path("base"))
    for run, words in (("plain", ()), ("again", ("--gradient-checkpointing",))):
        assert start("base", "--no-export", *words, run=run) == 0
    assert losses("again") == pytest.approx(losses("plain"), nan_ok=True)


def test_a_lora_run_keeps_its_adapters_state_only():
    tiny_llama(Path("base"))
    assert start("base", "--lora", "2", "--no-export") == 0
    last = Run(Path("runs/ask")).last
    adapters = load_file(last / "adapter" / "adapter_model.safetensors")
    state = load_file(last / "optimizer.safetensors")
    moments = [tensor for name, tensor in state.items() if name.endswith("exp_avg")]
    assert sorted(one.shape for one in moments) == sorted(one.shape for one in adapters.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weights", "bf16", "--optimizer", "adamw"], "--optimizer adamw8bit, which rounds"),
        (["--lora", "2000"], "--lora must be between"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    tiny_llama(Path("base"))
    assert start("base", *words) == 1
    assert said in capsys.readouterr().err
    assert not list(Path("runs").iterdir())
