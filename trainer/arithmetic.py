"""How a graph's matrices are stored and multiplied, by precision."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from backends.model_directory import Precision
from trainer.nodes import MICROSOFT, Nodes


class Arithmetic(Protocol):
    """How a precision stores a matrix, multiplies by it and looks rows up in it."""

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        """Return x (…, in) times weight (in, out)."""
        ...

    def lookup(self, nodes: Nodes, ids: str, name: str, table: NDArray[Any]) -> str:
        """Return the rows of table (rows, width) that ids name."""
        ...

    def scores(self, nodes: Nodes, x: str, name: str, table: NDArray[Any]) -> str:
        """Return x (R, width) times the transposed table (rows, width), stored with `lookup`."""
        ...


class Float32:
    """Weights as they are."""

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

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        """Return x times weight, both quantised."""
        quantised, scale = quantise(weight, axis=0)
        matrix = nodes.constant(f"{name}.int8", quantised)
        return self._multiply(nodes, x, matrix, nodes.constant(f"{name}.scale", scale))

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
        return self._multiply(nodes, x, matrix, nodes.constant(f"{name}.scale", scale))

    def _multiply(self, nodes: Nodes, x: str, matrix: str, scale: str) -> str:
        row_scale, quantised = self._quantise_rows(nodes, x)
        one, zero = nodes.constant("one", _real(1)), nodes.constant("zero", np.array(128, np.uint8))
        # Stated though it is 0, so that ONNX Runtime can move it where int8 products overflow.
        weight_zero = nodes.constant(f"{scale}.zero", np.array(0, np.int8))
        inputs = [quantised, matrix, one, scale, zero, weight_zero]
        product = nodes.add("MatMulIntegerToFloat", inputs, domain=MICROSOFT)
        return nodes.add("Mul", [product, row_scale])

    def _quantise_rows(self, nodes: Nodes, x: str) -> tuple[str, str]:
        last = nodes.constant("last_axis", np.array([-1]))
        largest = nodes.add("ReduceMax", [nodes.add("Abs", [x]), last], keepdims=1)
        # A row of zeros would divide by zero.
        bounded = nodes.add("Max", [largest, nodes.constant("tiny", _real(1e-20))])
        scale = nodes.add("Mul", [bounded, nodes.constant("step", _real(1 / 127))])
        units = nodes.add("Div", [x, scale])
        one, zero = nodes.constant("one", _real(1)), nodes.constant("zero", np.array(128, np.uint8))
        return scale, nodes.add("QuantizeLinear", [units, one, zero])


ARITHMETIC: Mapping[Precision, Arithmetic] = {"fp32": Float32(), "int8": RowwiseInt8()}


def quantise(weight: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a matrix as int8 and its scales, one for each index of the axis that is not `axis`."""
    scale = np.abs(weight).max(axis=axis, keepdims=True) / 127
    scale[scale == 0] = 1
    rounded = np.round(weight / scale).astype(np.int8)
    return rounded, scale.squeeze(axis).astype(np.float32)


def _real(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)
