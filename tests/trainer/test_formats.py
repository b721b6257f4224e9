"""Other programs load what is exported for them, and write what the checkpoint writes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models import tiny_checkpoint
from trainer.cli import main

Output = pytest.CaptureFixture[str]
IDS = torch.tensor([[5, 6, 7]])


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tiny_checkpoint(tmp_path / "checkpoint")
    (path / "optimizer.safetensors").write_bytes(b"of the training")
    (path / "state.json").write_text("{}")
    return path


def export(checkpoint: Path, *words: str) -> int:
    return main(["export", "--model", str(checkpoint), "--to", "out", *words])


def logits(model: Any) -> torch.Tensor:
    return model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits


def test_a_clean_directory_is_the_model_without_what_only_training_needs(
    checkpoint: Path, capsys: Output
):
    from transformers import AutoModelForCausalLM

    assert export(checkpoint, "--format", "hf") == 0
    names = {file.name for file in Path("out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not {"optimizer.safetensors", "state.json"} & names
    assert "model.safetensors" in capsys.readouterr().out
    with torch.no_grad():
        ours, theirs = (
            logits(AutoModelForCausalLM.from_pretrained(path)) for path in (checkpoint, "out")
        )
    assert torch.equal(ours, theirs)


def test_optimum_loads_what_it_exported_and_its_logits_are_the_checkpoints(checkpoint: Path):
    from optimum.onnxruntime import ORTModelForCausalLM
    from transformers import AutoModelForCausalLM

    assert export(checkpoint, "--format", "optimum") == 0
    served = ORTModelForCausalLM.from_pretrained("out")
    with torch.no_grad():
        expected = logits(AutoModelForCausalLM.from_pretrained(checkpoint))
    torch.testing.assert_close(logits(served), expected, atol=1e-4, rtol=1e-3)


def test_what_cannot_be_exported_is_a_sentence_and_leaves_nothing(checkpoint: Path, capsys: Output):
    for words, said in (
        (("--format", "hf", "--precision", "int8"), "--precision is for --format onnx alone"),
        (("--format", "optimum", "--context", "8"), "--context is for --format onnx alone"),
    ):
        assert export(checkpoint, *words) == 1
        assert said in capsys.readouterr().err
    assert export(Path("none"), "--format", "hf") == 1
    assert "no Hugging Face directory" in capsys.readouterr().err
    (checkpoint / "config.json").write_text('{"model_type": "nobody"}')
    assert export(checkpoint, "--format", "optimum") == 1
    assert "Optimum cannot export" in capsys.readouterr().err
    assert not Path("out").exists()
    Path("out").mkdir()
    assert export(checkpoint, "--format", "hf") == 1
    assert "is there already" in capsys.readouterr().err
