"""Move outliers from activations into weights, where whole numbers lose less by them.

Pretrained models have a few channels whose activations are many times larger than the others', and
a scale is as coarse as its largest number. What a normalisation gives to a channel can be divided
by a factor, and the weights that read the channel multiplied by it: the model computes the same, at
the same speed. The factors are SmoothQuant's (Xiao et al. 2022) with its alpha of 0.5: the square
root of the largest activation over the largest weight.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.model_directory import Architecture
from trainer.llama_graph import JOINED
from trainer.nodes import Weights
from trainer.peaks import Peaks
from trainer.source import Source


def balance(source: Source, peaks: Peaks) -> Weights:
    """Return weights that compute the same and are easier to quantise."""
    changed: dict[str, NDArray[Any]] = {}
    for norm, product, matrices, axis in _readers(source.sizes):
        weights = [source.weights[name] for name in matrices]
        heaviest = np.max([np.abs(weight).max(axis=1 - axis) for weight in weights], axis=0)
        factor = _factors(peaks.products[product], heaviest)
        for kind in ("weight", "bias"):
            if (name := f"{norm}.{kind}") in source.weights:
                changed[name] = source.weights[name] / factor
        for name, weight in zip(matrices, weights, strict=True):
            changed[name] = weight * np.expand_dims(factor, 1 - axis)
    return {**source.weights, **changed}


def _factors(largest: NDArray[np.float32], heaviest: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each channel's factor; 1 where nothing flows or is read."""
    used = (largest > 0) & (heaviest > 0)
    return np.sqrt(np.where(used, largest, 1) / np.where(used, heaviest, 1))


def _readers(sizes: Architecture) -> list[tuple[str, str, tuple[str, ...], int]]:
    """Return each normalisation, the product that reads it, its matrices, their axis of inputs."""
    if sizes.family == "gpt2":
        pairs, axis = (("ln_1", "attn.c_attn"), ("ln_2", "mlp.c_fc")), 0
        members: Mapping[str, tuple[str, ...]] = {product: (product,) for _, product in pairs}
        block = "h"
    else:
        pairs = (("input_layernorm", "qkv_proj"), ("post_attention_layernorm", "gate_up_proj"))
        members, axis, block = JOINED, 1, "layers"
    return [
        (
            f"{block}.{layer}.{norm}",
            f"{block}.{layer}.{product}",
            tuple(f"{block}.{layer}.{member}.weight" for member in members[product]),
            axis,
        )
        for layer in range(sizes.layers)
        for norm, product in pairs
    ]
