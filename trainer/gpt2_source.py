"""What a checkpoint of GPT-2 must be for `gpt2_graph` to compute it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, PositiveFloat, PositiveInt

from backends.model_directory import Architecture
from trainer.nodes import Weights
from trainer.stored import check_shapes, refuse

FAST_GELU = {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"}
"""The activations that are the tanh form of GELU, as ONNX Runtime's FastGelu is."""
HEAD_MULTIPLE = 8
"""ONNX Runtime's attention takes heads of a multiple of this width."""


class Config(BaseModel):
    """The keys of `config.json` that matter, with the defaults of transformers' GPT2Config."""

    n_layer: PositiveInt
    n_head: PositiveInt
    n_embd: PositiveInt
    n_positions: PositiveInt
    vocab_size: PositiveInt
    n_inner: PositiveInt | None = None
    activation_function: str = "gelu_new"
    layer_norm_epsilon: PositiveFloat = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False


def read_gpt2(given: Mapping[str, Any], stored: Weights) -> tuple[Architecture, Weights]:
    """Return the sizes and the tensors of the graph. Raises `RefusedError` with what differs."""
    config = Config.model_validate(given)
    head_width = config.n_embd // config.n_head
    weights = dict(stored)
    head = weights.pop("lm_head.weight", None)
    refuse(
        {
            f"its activation is {config.activation_function!r}, not GELU's tanh form": (
                config.activation_function not in FAST_GELU
            ),
            f"its heads are {head_width} wide, not a multiple of {HEAD_MULTIPLE}": (
                head_width % HEAD_MULTIPLE != 0
            ),
            "its attention is scaled by layer": config.scale_attn_by_inverse_layer_idx,
            "its attention is not scaled": not config.scale_attn_weights,
        }
    )
    check_shapes(weights, _shapes(config))
    tied = head is None or np.array_equal(head, weights["wte.weight"])
    refuse({"its output head is not tied to its embedding": not tied})
    return _sizes(config, weights), weights


def _sizes(config: Config, weights: Weights) -> Architecture:
    return Architecture(
        layers=config.n_layer,
        heads=config.n_head,
        width=config.n_embd,
        context=config.n_positions,
        vocabulary=config.vocab_size,
        norm_epsilon=config.layer_norm_epsilon,
        parameters=sum(tensor.size for tensor in weights.values()),
    )


def _shapes(config: Config) -> dict[str, tuple[int, ...]]:
    width, inner = config.n_embd, config.n_inner or 4 * config.n_embd
    layer = {
        "ln_1": (width,),
        "attn.c_attn": (width, 3 * width),
        "attn.c_proj": (width, width),
        "ln_2": (width,),
        "mlp.c_fc": (width, inner),
        "mlp.c_proj": (inner, width),
    }
    blocks = {
        f"h.{i}.{name}": shape for i in range(config.n_layer) for name, shape in layer.items()
    }
    affine = {**blocks, "ln_f": (width,)}
    return {
        "wte.weight": (config.vocab_size, width),
        "wpe.weight": (config.n_positions, width),
        **{f"{name}.weight": shape for name, shape in affine.items()},
        **{f"{name}.bias": shape[-1:] for name, shape in affine.items()},
    }
