"""Weights in few bits, each block with a scale of its own: a finer arithmetic than by rows.

One large number spoils the scale of its block only, not that of a whole row: pretrained models have
channels with such outliers. The activations are quantised, too, to 8 bits by the same blocks of
their row, inside ONNX Runtime's MatMulNBits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from trainer.nodes import MICROSOFT, Nodes

BLOCK = {8: 64, 4: 32}
"""Inputs that share a scale, by bits. With longer blocks, or with activations as they are (accuracy
level 0), ONNX Runtime sums a row that is alone in another order than one with neighbours."""
TABLE_BITS = 8


class Blockwise:
    """Matrices in `bits` bits by blocks; the tables of tokens always in 8."""

    real: int = TensorProto.FLOAT

    def __init__(self, bits: int) -> None:
        """Take 4 or 8 bits."""
        self.bits = bits

    def linear(self, nodes: Nodes, x: str, name: str, weight: NDArray[Any]) -> str:
        """Return x times weight."""
        return _multiply(nodes, x, name, weight.T, self.bits)

    def lookup(self, nodes: Nodes, ids: str, name: str, table: NDArray[Any]) -> str:
        """Return rows of the quantised table as real numbers."""
        rows, width = table.shape
        block = BLOCK[TABLE_BITS]
        shape = nodes.constant(f"{name}.shape", np.array([rows, -1]))
        stored = [
            nodes.add("Reshape", [part, shape]) for part in _store(nodes, name, table, TABLE_BITS)
        ]
        found = nodes.add(
            "GatherBlockQuantized", [stored[0], ids, stored[1]], domain=MICROSOFT,
            bits=TABLE_BITS, block_size=block, gather_axis=0, quantize_axis=1,
        )  # fmt: skip
        if width % block == 0:
            return found
        bounds = {"first": [0], "width": [width], "last_axis": [-1]}
        ends = [nodes.constant(what, np.array(value)) for what, value in bounds.items()]
        return nodes.add("Slice", [found, *ends])

    def scores(self, nodes: Nodes, x: str, name: str, table: NDArray[Any]) -> str:
        """Return x times the transposed table; the file holds the table once."""
        return _multiply(nodes, x, name, table, TABLE_BITS)


def _multiply(nodes: Nodes, x: str, name: str, matrix: NDArray[Any], bits: int) -> str:
    """Return x times the transposed matrix (out, in)."""
    outputs, inputs = matrix.shape
    return nodes.add(
        "MatMulNBits", [x, *_store(nodes, name, matrix, bits)], domain=MICROSOFT,
        K=inputs, N=outputs, bits=bits, block_size=BLOCK[bits], accuracy_level=4,
    )  # fmt: skip


def _store(nodes: Nodes, name: str, matrix: NDArray[Any], bits: int) -> tuple[str, str]:
    """Store a matrix (out, in) and its scales, and return their names."""
    numbers, scale = quantise_blocks(matrix, bits)
    return nodes.constant(f"{name}.int{bits}", numbers), nodes.constant(f"{name}.scale", scale)


def quantise_blocks(
    matrix: NDArray[Any], bits: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a matrix (out, in) in 4 or 8 bits as MatMulNBits reads it, and the scales.

    The numbers (out, blocks, bytes of a block) stand for themselves less 2 ** (bits - 1), times the
    scale (out, blocks) of their block; the last block is filled up. Of two in a byte the first is
    the lower half. A block's largest magnitude becomes the lowest number, which has no opposite.
    """
    (rows, width), size = matrix.shape, BLOCK[bits]
    filled = np.pad(matrix, ((0, 0), (0, -width % size)))
    blocks = filled.reshape(rows, -1, size).astype(np.float32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(2)[..., None], 2)
    middle = 2 ** (bits - 1)
    scale = largest / -middle
    scale[scale == 0] = 1
    numbers = np.clip(np.round(blocks / scale) + middle, 0, 2 * middle - 1).astype(np.uint8)
    if bits == 4:
        numbers = numbers[..., ::2] | numbers[..., 1::2] << 4
    return numbers, scale[..., 0]
