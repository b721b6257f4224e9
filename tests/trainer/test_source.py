import json
from pathlib import Path
from typing import Any

import pytest
from transformers import GPT2LMHeadModel

from backends import UserError
from tests.models import tiny_checkpoint
from trainer.source import load_source


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny_checkpoint(tmp_path / "checkpoint")


def edit_config(checkpoint: Path, **changes: Any) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | changes))


def test_sizes_weights_and_end_token_are_those_of_the_checkpoint(checkpoint: Path):
    source = load_source(checkpoint)
    assert source.sizes.model_dump() == {
        "family": "gpt2",
        "layers": 2,
        "heads": 2,
        "cached_heads": 2,
        "head_width": 16,
        "width": 32,
        "context": 64,
        "vocabulary": 371,
        "norm_epsilon": 1e-5,
        "parameters": 39_392,
    }
    assert source.end_token == 0
    assert source.weights["wte.weight"].shape == (371, 32)
    assert not any(name.startswith("transformer.") for name in source.weights)


def test_half_precision_weights_are_read_as_fp32(checkpoint: Path):
    model = GPT2LMHeadModel.from_pretrained(checkpoint)
    model.bfloat16().save_pretrained(checkpoint)
    weights = load_source(checkpoint).weights
    assert {weight.dtype.name for weight in weights.values()} == {"float32"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"activation_function": "relu"}, "its activation is 'relu'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "its attention is scaled by layer"),
        ({"model_type": "mamba"}, "its model type is 'mamba'"),
        ({"n_head": 8}, "its heads are 4 wide"),
        ({"eos_token_id": None}, "its end token is not stated"),
    ],
)
def test_what_the_graph_does_not_compute_is_refused(
    change: dict[str, Any], sentence: str, checkpoint: Path
):
    edit_config(checkpoint, **change)
    with pytest.raises(UserError, match=f"cannot be exported: {sentence}"):
        load_source(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(name: str, checkpoint: Path):
    (checkpoint / name).unlink()
    with pytest.raises(UserError, match=f"it has no {name}"):
        load_source(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_truncated_file_is_refused_with_a_sentence(name: str, checkpoint: Path):
    whole = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        load_source(checkpoint)


def test_weights_of_another_shape_are_refused_with_a_sentence(checkpoint: Path):
    edit_config(checkpoint, n_embd=64)
    with pytest.raises(UserError, match=r"its tensor wte.weight is \(371, 32\), not \(371, 64\)"):
        load_source(checkpoint)
