"""An ONNX graph as it grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

Weights = Mapping[str, NDArray[Any]]
"""A checkpoint's tensors by name."""


@dataclass
class Nodes:
    """The graph as it grows: nodes in order and constants by name."""

    real: int = TensorProto.FLOAT
    """ONNX's type of the real numbers that flow through the graph."""
    cache_scales: Weights = field(default_factory=dict)
    """A scale (cached heads, head width) for each `key_I` and `value_I` of layer I, where the cache
    holds them in int8; empty where it holds them as `real`."""
    rows: str = "input_ids"
    """The input that has a number for each row of what flows through the graph."""
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def cached(self) -> int:
        """ONNX's type of the numbers in the cache."""
        return TensorProto.INT8 if self.cache_scales else self.real

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        *,
        output: str = "",
        domain: str = "",
        **more: Any,
    ) -> str:
        """Append a node and return the name of its (first) output."""
        name = output or f"{operator}_{len(self.nodes)}"
        extra = more.pop("outputs", [])
        self.nodes.append(
            helper.make_node(operator, list(inputs), [name, *extra], name, domain=domain, **more)
        )
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Store a constant once, real numbers as `real`, and return its name."""
        if value.dtype == np.float32:
            # What overflows in 16 bits shows in the perplexity.
            with np.errstate(over="ignore"):
                value = value.astype(helper.tensor_dtype_to_np_dtype(self.real))
        self.constants.setdefault(name, value)
        return name
