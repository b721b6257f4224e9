"""The memory of keys and values: one block of rows, of which the graph is given pointers."""

import mmap
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.card import Architecture
from backends.onnx_engine.device_block import DeviceBlock


class Cache(ABC):
    """Keys and values (layers, 2, rows, heads, context, head width), zero at first.

    Zeros, because even masked positions must hold numbers.
    """

    device: str
    """The name of the device that ONNX Runtime binds the memory on."""

    def __init__(self, sizes: Architecture, rows: int, carrier: type[np.generic]) -> None:
        """Lay the block out; `carrier` is as wide as the graph's own type of numbers."""
        self.shape = (sizes.layers, 2, rows, sizes.cached_heads, sizes.context, sizes.head_width)
        self.carrier = np.dtype(carrier)
        self.nbytes = int(np.prod(self.shape)) * self.carrier.itemsize
        self._row_bytes = self.nbytes // (sizes.layers * 2 * rows)

    @property
    @abstractmethod
    def address(self) -> int:
        """Where the block begins."""

    @abstractmethod
    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one row into another, or more."""

    @abstractmethod
    def clear(self, row: int) -> None:
        """Zero a row whose numbers went bad."""

    def pointers(self, row: int) -> Iterator[tuple[str, int]]:
        """Yield the graph's names, such as `key_0`, and where they begin from this row on."""
        layers, _, rows, *_ = self.shape
        for layer in range(layers):
            for which, what in enumerate(("key", "value")):
                place = (layer * 2 + which) * rows + row
                yield f"{what}_{layer}", self.address + place * self._row_bytes


class HostCache(Cache):
    """The cache in the machine's memory; pages that no text touched cost nothing.

    Pages are small: in huge ones, which NumPy asks for, a few tokens of a long row would fill the
    whole row's memory with zeros first, for longer than many steps take.
    """

    device = "cpu"

    def __init__(self, sizes: Architecture, rows: int, carrier: type[np.generic]) -> None:
        """Raises `MemoryError` where there is not enough."""
        super().__init__(sizes, rows, carrier)
        try:
            memory = mmap.mmap(-1, self.nbytes)
        except OSError as error:
            raise MemoryError from error
        if hasattr(mmap, "MADV_NOHUGEPAGE"):  # only Linux has it, and not every kernel
            with suppress(OSError):
                memory.madvise(mmap.MADV_NOHUGEPAGE)
        self._block: NDArray[Any] = np.frombuffer(memory, self.carrier).reshape(self.shape)

    @property
    def address(self) -> int:
        """Where the block begins."""
        return self._block.ctypes.data

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one row into another."""
        self._block[:, :, target, :, :length] = self._block[:, :, source, :, :length]

    def clear(self, row: int) -> None:
        """Zero a row."""
        self._block[:, :, row] = 0


class DeviceCache(Cache):
    """The cache on a device that ONNX Runtime manages; rows are copied there, whole."""

    def __init__(
        self, sizes: Architecture, rows: int, carrier: type[np.generic], device: str, provider: str
    ) -> None:
        """One more row than asked for stays zero. `device` is ONNX Runtime's name for it."""
        super().__init__(sizes, rows + 1, carrier)
        self.device = device
        self._block = DeviceBlock(np.zeros(self.shape, self.carrier), device, provider)

    @property
    def address(self) -> int:
        """Where the block begins."""
        return self._block.address

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy one row into another."""
        for (_, origin), (_, goal) in zip(
            self.pointers(source), self.pointers(target), strict=True
        ):
            self._block.copy(origin, goal, self._row_bytes // 4, self.device)

    def clear(self, row: int) -> None:
        """Zero a row."""
        self.copy(self.shape[2] - 1, row, 0)
