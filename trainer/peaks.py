"""The largest numbers that flow through a model where it reads a text: what quantising goes by."""

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
from trainer.llama_graph import FREQUENCIES
from trainer.nodes import Nodes, Weights
from trainer.source import Source
from trainer.windows import stretches

MOST_TOKENS = 2048
WINDOW = 512
ROOM = 1.25
"""By this a cached number may be larger than any seen: figures are in docs/benchmarks.md."""


@dataclass(frozen=True)
class Peaks:
    """Largest magnitudes."""

    products: dict[str, NDArray[np.float32]]
    """Of each channel (inputs,) that a product reads, by the product's name."""
    cached: dict[str, NDArray[np.float32]]
    """Of the keys and values (cached heads, head width) of each layer, as `key_0`."""

    def cache_scales(self) -> Weights:
        """Return what a cache in int8 is multiplied by: see `Nodes.cache_scales`."""
        return {
            name: (np.where(peak > 0, peak, 1) * (ROOM / 127)).astype(np.float32)
            for name, peak in self.cached.items()
        }


@dataclass(frozen=True)
class _Observing(Floating):
    """fp32 that also gives out the largest magnitude of each channel that a product reads."""

    outputs: dict[str, str] = field(default_factory=dict)

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        rows = nodes.add("Flatten", [nodes.add("Abs", [x])], axis=-1)
        first = nodes.constant("first_axis", np.array([0]))
        self.outputs[name] = nodes.add("ReduceMax", [rows, first], keepdims=0)
        return super().linear(nodes, x, name, weight)


def observe(source: Source, tokens: NDArray[np.integer], scratch: Path) -> Peaks:
    """Read the last of `tokens` (N,), N above 1, in fp32.

    For that a graph is written below `scratch`, an existing folder.
    """
    how = _Observing()
    model = assemble(source.weights, source.sizes, how)
    for name in how.outputs.values():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["I"]))
    save_graph(model, scratch / GRAPH)
    session = open_session(scratch / GRAPH, 0, CPU)
    parts = [f"{part}_{i}" for i in range(source.sizes.layers) for part in ("key", "value")]
    outputs = [*how.outputs.values(), *(f"present_{part}" for part in parts)]
    peaks = Peaks({}, {})
    newest = np.asarray(tokens[-MOST_TOKENS:], np.int64)
    length = min(source.sizes.context, WINDOW, len(newest) - 1)
    for inputs, _ in stretches(newest, length, source.end_token):
        seen = [np.asarray(one) for one in session.run(outputs, _feeds(source.sizes, inputs[None]))]
        for name, value in zip(how.outputs, seen, strict=False):
            _raise(peaks.products, name, value)
        for name, value in zip(parts, seen[len(how.outputs) :], strict=True):
            turns = FREQUENCIES in source.weights and name.startswith("key")
            largest = _at_any_position(value) if turns else np.abs(value)
            _raise(peaks.cached, name, largest.max(axis=(0, 2)))
    return peaks


def _at_any_position(keys: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how large the numbers of rotary keys (…, head width) are where they are largest.

    Numbers half a width apart turn around each other, some of them once in a long text.
    """
    reach = np.hypot(*np.split(keys, 2, axis=-1))
    return np.concatenate([reach, reach], axis=-1)


def _raise(peaks: dict[str, NDArray[np.float32]], name: str, seen: NDArray[np.float32]) -> None:
    peaks[name] = np.maximum(peaks.get(name, 0), seen)


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
        # What flows only where logits are wanted is looked at, too.
        "logit_rows": np.arange(length),
        **no_wishes(length).inputs(),
        **past,
    }
