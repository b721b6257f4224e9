import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from backends import UserError
from tests.models import tiny_llama
from trainer.source import load_source


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny_llama(tmp_path / "checkpoint")


def edit_config(checkpoint: Path, **changes: Any) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | changes))


def test_sizes_are_those_of_the_checkpoint(checkpoint: Path):
    source = load_source(checkpoint)
    assert source.sizes.model_dump() == {
        "family": "llama",
        "layers": 2,
        "heads": 4,
        "cached_heads": 2,
        "head_width": 16,
        "width": 64,
        "context": 64,
        "vocabulary": 371,
        "norm_epsilon": 1e-6,
        "parameters": 73_216,
    }
    assert source.end_token == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hidden_act": "gelu"}, "its activation is 'gelu'"),
        ({"rope_scaling": {"type": "yarn", "factor": 2}}, "positions are scaled by 'yarn'"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "turn only a part of each head"),
        ({"sliding_window": 32}, "reaches back 32 tokens only"),
        ({"head_dim": 24}, "its heads are 24 wide, not a multiple of 16"),
        ({"num_key_value_heads": 3}, "cannot be shared out evenly"),
        ({"num_hidden_layers": 3}, r"its tensor layers.2\.\S+ is missing"),
        ({"num_hidden_layers": 1}, r"nothing is known of its tensor layers.1\."),
        ({"hidden_size": "wide"}, "its hidden_size is wrong"),
        ({"eos_token_id": 371}, "its end token is 371, and it has 371"),
        ({"vocab_size": 300}, r"is \(371, 64\), not \(300, 64\)"),
        ({"quantization_config": {"bits": 4}}, "its weights are quantised"),
    ],
)
def test_what_the_graph_does_not_compute_is_refused(
    change: dict[str, Any], sentence: str, checkpoint: Path
):
    edit_config(checkpoint, **change)
    with pytest.raises(UserError, match=f"cannot be exported: .*{sentence}"):
        load_source(checkpoint)


@pytest.mark.parametrize("change", [{"sliding_window": 64}, {"sliding_window": None}])
def test_a_sliding_window_as_long_as_the_context_is_none(change: dict[str, Any], checkpoint: Path):
    edit_config(checkpoint, model_type="mistral", **change)
    assert load_source(checkpoint).sizes.family == "llama"


def test_the_first_of_several_end_tokens_ends_a_text(checkpoint: Path):
    edit_config(checkpoint, eos_token_id=[5, 7])
    assert load_source(checkpoint).end_token == 5


def test_a_tensor_that_the_graph_would_leave_out_is_refused(checkpoint: Path):
    weights = load_file(checkpoint / "model.safetensors")
    weights["model.layers.0.self_attn.q_norm.weight"] = np.ones(16, np.float32)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        UserError, match=r"nothing is known of its tensor layers.0.self_attn.q_norm"
    ):
        load_source(checkpoint)


def test_a_shorter_context_can_be_asked_for_and_a_longer_one_not(checkpoint: Path):
    assert load_source(checkpoint, context=32).sizes.context == 32
    with pytest.raises(UserError, match="its context can be 2 to 64 tokens, not 65"):
        load_source(checkpoint, context=65)
