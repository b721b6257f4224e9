"""An ONNX graph as it grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import helper

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

Weights = Mapping[str, NDArray[Any]]
"""A checkpoint's tensors by name."""


@dataclass
class Nodes:
    """The graph as it grows: nodes in order and constants by name."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

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
        """Store a constant once and return its name."""
        self.constants.setdefault(name, value)
        return name
