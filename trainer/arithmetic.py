"""How a graph's matrices are stored and multiplied, by precision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from backends.model_directory import Precision
from trainer.blockwise import Blockwise
from trainer.nodes import MICROSOFT, Nodes


class Arithmetic(Protocol):
    """How a precision stores a matrix, multiplies by it and looks rows up in it."""

    @property
    def real(self) -> int:
        """ONNX's type of the real numbers in its graphs and their caches."""
        ...

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        """Return x (…, in) times weight (in, out)."""
        ...

    def lookup(self, nodes: Nodes, ids: str, name: str, table: NDArray[Any]) -> str:
        """Return the rows of table (rows, width) that ids name."""
        ...

    def scores(self, nodes: Nodes, x: str, name: str, table: NDArray[Any]) -> str:
        """Return x (R, width) times the transposed table (rows, width), stored with `lookup`."""
        ...


@dataclass(frozen=True)
class Floating:
    """Weights and all that is computed with them in one type of floating-point numbers."""

    real: int = TensorProto.FLOAT

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        """Return x times weight."""
        return nodes.add("MatMul", [x, nodes.constant(name, weight)])

    def lookup(self, nodes: Nodes, ids: str, name: str, table: NDArray[Any]) -> str:
        """Return rows of the table."""
        return nodes.add("Gather", [nodes.constant(name, table), ids])

    def scores(self, nodes: Nodes, x: str, name: str, table: NDArray[Any]) -> str:
        """Return x times the transposed table, of which the file holds one copy."""
        return nodes.add("Gemm", [x, nodes.constant(name, table)], transB=1)


class RowwiseInt8:
    """int8 weights with a scale per output channel; activations quantised row by row.

    A row's scale is its largest magnitude / 127. Sums of whole numbers are exact, so a row's
    result does not depend on the rows beside it, as with a scale per tensor it would.
    """

    real: int = TensorProto.FLOAT

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        """Return x times weight, both quantised."""
        quantised, scale = quantise(weight, axis=0)
        matrix = nodes.constant(f"{name}.int8", quantised)
        scale_name = nodes.constant(f"{name}.scale", scale)
        return self._multiply(nodes, x, matrix, scale_name, weight.shape[0])

    def lookup(self, nodes: Nodes, ids: str, name: str, table: NDArray[Any]) -> str:
        """Return rows of the quantised table as real numbers."""
        quantised, scale = quantise(table, axis=1)
        rows = nodes.add("Gather", [nodes.constant(f"{name}.int8", quantised), ids])
        scales = nodes.add("Gather", [nodes.constant(f"{name}.scale", scale), ids])
        last = nodes.constant("last_axis", np.array([-1]))
        real = nodes.add("Cast", [rows], to=TensorProto.FLOAT)
        return nodes.add("Mul", [real, nodes.add("Unsqueeze", [scales, last])])

    def scores(self, nodes: Nodes, x: str, name: str, table: NDArray[Any]) -> str:
        """Return x times the transposed table; the file holds the table once."""
        quantised, scale = quantise(table, axis=1)
        stored = nodes.constant(f"{name}.int8", quantised)
        # ONNX Runtime folds the transposition when it loads.
        matrix = nodes.add("Transpose", [stored], perm=[1, 0])
        scale_name = nodes.constant(f"{name}.scale", scale)
        return self._multiply(nodes, x, matrix, scale_name, table.shape[1])

    def _multiply(self, nodes: Nodes, x: str, matrix: str, scale: str, width: int) -> str:
        row_scale, quantised = self._quantise_rows(nodes, x, width)
        one, zero = nodes.constant("one", _real(1)), nodes.constant("zero", np.array(128, np.uint8))
        # Stated though it is 0, so that ONNX Runtime can move it where int8 products overflow.
        weight_zero = nodes.constant(f"{scale}.zero", np.array(0, np.int8))
        inputs = [quantised, matrix, one, scale, zero, weight_zero]
        product = nodes.add("MatMulIntegerToFloat", inputs, domain=MICROSOFT)
        return nodes.add("Mul", [product, row_scale])

    def _quantise_rows(self, nodes: Nodes, x: str, width: int) -> tuple[str, str]:
        """Return the rows' scales and the rows of x (…, width) in their units, as uint8.

        A row of zeros has the scale 0; whatever its units are, the scale makes them 0 again.
        """
        last = nodes.constant("last_axis", np.array([-1]))
        largest = nodes.add("ReduceMax", [nodes.add("Abs", [x]), last], keepdims=1)
        scale = nodes.add("Mul", [largest, nodes.constant("step", _real(1 / 127))])
        zeros = self._zero_points(nodes)
        return scale, nodes.add("QuantizeLinear", [x, scale, zeros], axis=-1, block_size=width)

    def _zero_points(self, nodes: Nodes) -> str:
        """Return the zero point 128 for each row (…, 1), made once for all products."""
        name = f"{nodes.rows}.zeros"
        if not any(node.name == name for node in nodes.nodes):
            last = nodes.constant("last_axis", np.array([-1]))
            shape = nodes.add("Shape", [nodes.add("Unsqueeze", [nodes.rows, last])])
            middle = helper.make_tensor("middle", TensorProto.UINT8, [1], [128])
            nodes.add("ConstantOfShape", [shape], output=name, value=middle)
        return name


ARITHMETIC: Mapping[Precision, Arithmetic] = {
    "fp32": Floating(),
    "int8": RowwiseInt8(),
    "int8-block": Blockwise(8),
    "int4": Blockwise(4),
    "fp16": Floating(TensorProto.FLOAT16),
    "bf16": Floating(TensorProto.BFLOAT16),
}


def quantise(weight: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a matrix as int8 and its scales, one for each index of the axis that is not `axis`."""
    scale = np.abs(weight).max(axis=axis, keepdims=True) / 127
    scale[scale == 0] = 1
    rounded = np.round(weight / scale).astype(np.int8)
    return rounded, scale.squeeze(axis).astype(np.float32)


def _real(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)
