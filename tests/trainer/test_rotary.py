from typing import Any

import numpy as np
import pytest
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from trainer.rotary import frequencies
from trainer.stored import RefusedError

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0])
@pytest.mark.parametrize(
    "scaling", [None, {"rope_type": "linear", "factor": 4.0}, LLAMA3], ids=["plain", "linear", "3"]
)
def test_frequencies_are_those_of_transformers(scaling: dict[str, Any] | None, theta: float):
    config = LlamaConfig(
        hidden_size=256, num_attention_heads=2, rope_theta=theta, rope_scaling=scaling
    )
    expected = LlamaRotaryEmbedding(config).inv_freq.numpy()
    given = {"rope_theta": theta, **(scaling or {})}
    np.testing.assert_allclose(frequencies(given, 128), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", sorted({*ROPE_INIT_FUNCTIONS} - {"default", "linear", "llama3"}))
def test_every_other_kind_of_scaling_is_refused(kind: str):
    with pytest.raises(RefusedError, match=f"scaled by '{kind}'"):
        frequencies({"rope_type": kind, "factor": 2.0}, 128)


def test_the_kind_may_have_its_older_name():
    older = frequencies({"type": "linear", "factor": 2.0}, 16)
    np.testing.assert_array_equal(older, frequencies({}, 16) / 2)
