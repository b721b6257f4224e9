"""What a checkpoint of the Llama family must be for `llama_graph` to compute it.

Llama itself, Mistral and Qwen2 differ in their biases and in how far attention reaches.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, PositiveFloat, PositiveInt

from backends.model_directory import Architecture
from trainer.llama_graph import FREQUENCIES, JOINED
from trainer.nodes import Weights
from trainer.rotary import frequencies
from trainer.stored import check_shapes, refuse

FACTORS = "rope_freqs.weight"
"""By what each frequency of the rotary positions is divided: GGUF's way to store Llama 3.1's."""
HEAD_MULTIPLE = 16
"""ONNX Runtime's attention with rotary positions takes heads of a multiple of this width."""


class Config(BaseModel):
    """The keys of `config.json` that matter, with the defaults of transformers' LlamaConfig."""

    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    max_position_embeddings: PositiveInt
    vocab_size: PositiveInt
    rms_norm_eps: PositiveFloat = 1e-6
    hidden_act: str = "silu"
    tie_word_embeddings: bool = False
    rope_theta: PositiveFloat = 10_000.0
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    sliding_window: int | None = None
    use_sliding_window: bool = True

    @property
    def cached_heads(self) -> int:
        """Key/value heads."""
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def head_width(self) -> int:
        """Numbers in one head's query, key or value of one token."""
        return self.head_dim or self.hidden_size // self.num_attention_heads


def read_llama(given: Mapping[str, Any], stored: Weights) -> tuple[Architecture, Weights]:
    """Return the sizes and the tensors of the graph. Raises `RefusedError` with what differs."""
    config = Config.model_validate(given)
    window = config.sliding_window if config.use_sliding_window else None
    refuse(
        {
            f"its activation is {config.hidden_act!r}, not 'silu'": config.hidden_act != "silu",
            f"its heads are {config.head_width} wide, not a multiple of {HEAD_MULTIPLE}": (
                config.head_width % HEAD_MULTIPLE != 0
            ),
            "its query heads cannot be shared out evenly among its key/value heads": (
                config.num_attention_heads % config.cached_heads != 0
            ),
            f"its attention reaches back {window} tokens only": (
                window is not None and window < config.max_position_embeddings
            ),
        }
    )
    weights = dict(stored)
    if config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    factors = weights.pop(FACTORS, np.float32(1))
    check_shapes(weights, _shapes(config, weights))
    parameters = sum(tensor.size for tensor in weights.values())
    rotary = {"rope_theta": config.rope_theta}
    rotary |= (config.rope_scaling or {}) | (config.rope_parameters or {})
    weights[FREQUENCIES] = frequencies(rotary, config.head_width) / factors
    return _sizes(config, parameters), weights


def _sizes(config: Config, parameters: int) -> Architecture:
    return Architecture(
        family="llama",
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        cached_heads=config.cached_heads,
        head_width=config.head_width,
        width=config.hidden_size,
        context=config.max_position_embeddings,
        vocabulary=config.vocab_size,
        norm_epsilon=config.rms_norm_eps,
        parameters=parameters,
    )


def _shapes(config: Config, weights: Weights) -> dict[str, tuple[int, ...]]:
    """Return what must be there; biases where the first layer has one for the same input."""
    width, inner = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_width
    keys = config.cached_heads * config.head_width
    linear = {
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    biased = {
        name
        for members in JOINED.values()
        if f"layers.0.{members[0]}.bias" in weights
        for name in members
    }
    layer = {
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
        **{f"{name}.weight": shape for name, shape in linear.items()},
        **{f"{name}.bias": linear[name][:1] for name in biased},
    }
    table = (config.vocab_size, width)
    return {
        "embed_tokens.weight": table,
        "norm.weight": (width,),
        **({} if config.tie_word_embeddings else {"lm_head.weight": table}),
        **{
            f"layers.{index}.{name}": shape
            for index in range(config.num_hidden_layers)
            for name, shape in layer.items()
        },
    }
