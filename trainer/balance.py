"""Move outliers from activations into weights, where whole numbers lose less by them.

Pretrained models have a few channels whose activations are many times larger than the others', and
a scale is as coarse as its largest number. What a normalisation gives to a channel can be divided
by a factor, and the weights that read the channel multiplied by it: the model computes the same, at
the same speed. The factors are SmoothQuant's (Xiao et al. 2022) with its alpha of 0.5: the square
root of the largest activation over the largest weight.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from backends.decoding.draws import no_wishes
from backends.model_directory import GRAPH, Architecture
from backends.onnx_engine.decoder import CPU, open_session
from trainer.arithmetic import Floating
from trainer.graph import assemble, save_graph
from trainer.llama_graph import JOINED
from trainer.nodes import Nodes, Weights
from trainer.source import Source
from trainer.windows import stretches

MOST_TOKENS = 2048
WINDOW = 512


def balance(source: Source, tokens: NDArray[np.integer], scratch: Path) -> Weights:
    """Return weights that compute the same and are easier to quantise.

    The largest activations are those of the last of `tokens` (N,); a graph is written below
    `scratch`, an existing folder, to see them.
    """
    largest = _observe(source, np.asarray(tokens[-MOST_TOKENS:], np.int64), scratch)
    changed: dict[str, NDArray[Any]] = {}
    for norm, product, matrices, axis in _readers(source.sizes):
        weights = [source.weights[name] for name in matrices]
        peaks = np.max([np.abs(weight).max(axis=1 - axis) for weight in weights], axis=0)
        factor = _factors(largest[product], peaks)
        for kind in ("weight", "bias"):
            if (name := f"{norm}.{kind}") in source.weights:
                changed[name] = source.weights[name] / factor
        for name, weight in zip(matrices, weights, strict=True):
            changed[name] = weight * np.expand_dims(factor, 1 - axis)
    return {**source.weights, **changed}


def _factors(largest: NDArray[np.float32], peaks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each channel's factor; 1 where nothing flows or is read."""
    used = (largest > 0) & (peaks > 0)
    return np.sqrt(np.where(used, largest, 1) / np.where(used, peaks, 1))


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


@dataclass(frozen=True)
class _Observing(Floating):
    """fp32 that also gives out the largest magnitude of each channel that a product reads."""

    outputs: dict[str, str] = field(default_factory=dict)

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        rows = nodes.constant("rows", np.array([0, 1]))
        self.outputs[name] = nodes.add("ReduceMax", [nodes.add("Abs", [x]), rows], keepdims=0)
        return super().linear(nodes, x, name, weight)


def _observe(
    source: Source, tokens: NDArray[np.int64], scratch: Path
) -> dict[str, NDArray[np.float32]]:
    """Return the largest magnitudes (inputs,) that each product reads, by its name."""
    how = _Observing()
    model = assemble(source.weights, source.sizes, how)
    for name in how.outputs.values():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["I"]))
    save_graph(model, scratch / GRAPH)
    session = open_session(scratch / GRAPH, 0, CPU)
    largest: dict[str, NDArray[np.float32]] = {}
    length = min(source.sizes.context, WINDOW, len(tokens) - 1)
    for inputs, _ in stretches(tokens, length, source.end_token):
        seen = session.run(list(how.outputs.values()), _feeds(source.sizes, inputs[None]))
        for name, value in zip(how.outputs, seen, strict=True):
            largest[name] = np.maximum(largest.get(name, 0), np.asarray(value))
    return largest


def _feeds(sizes: Architecture, tokens: NDArray[np.integer]) -> dict[str, NDArray[Any]]:
    """Return the graph's inputs for one text (1, T) from its beginning."""
    length = tokens.shape[1]
    empty = np.zeros((1, sizes.cached_heads, length, sizes.head_width), np.float32)
    past = {
        f"past_{what}_{layer}": empty for layer in range(sizes.layers) for what in ("key", "value")
    }
    return {
        "input_ids": np.ascontiguousarray(tokens, np.int64),
        "position_ids": np.arange(length)[None],
        "seqlens_k": np.array([length - 1], np.int32),
        "total_sequence_length": np.array(length, np.int32),
        "logit_rows": np.zeros(1, np.int64),
        **no_wishes(1).inputs(),
        **past,
    }
