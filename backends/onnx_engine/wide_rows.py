"""Rows as wide as the vocabulary: they stay on the device that makes them.

Of a GPU's, one is fetched where it is wanted; in the machine's own memory they are looked at.
"""

from abc import ABC, abstractmethod

import numpy as np

from backends.decoding.draws import Rows
from backends.decoding.weights import Floats, Ints
from backends.onnx_engine.device_block import DeviceBlock


class WideRows(ABC):
    """Numbers (rows, width) of float32, of which the first `shown` columns concern others."""

    device: str
    """The name of the device that ONNX Runtime binds the memory on."""

    def __init__(self, rows: int, width: int, shown: int) -> None:
        self.shape = (rows, width)
        self.shown = shown

    @property
    @abstractmethod
    def address(self) -> int:
        """Where the rows begin."""

    @abstractmethod
    def first(self, count: int) -> Rows:
        """Return the first rows, (count, shown), as they are whenever they are asked for."""


class HostRows(WideRows):
    """Rows in the machine's memory."""

    device = "cpu"

    def __init__(self, rows: int, width: int, shown: int) -> None:
        super().__init__(rows, width, shown)
        self._block = np.zeros(self.shape, np.float32)

    @property
    def address(self) -> int:
        """Where the rows begin."""
        return self._block.ctypes.data

    def first(self, count: int) -> Floats:
        """Return a view of the first rows."""
        return self._block[:count, : self.shown]


class DeviceRows(WideRows):
    """Rows on a device that ONNX Runtime manages."""

    def __init__(self, rows: int, width: int, shown: int, device: str, provider: str) -> None:
        """`device` is ONNX Runtime's name for it."""
        super().__init__(rows, width, shown)
        self.device = device
        self._block = DeviceBlock(np.zeros(self.shape, np.float32), device, provider)

    @property
    def address(self) -> int:
        """Where the rows begin."""
        return self._block.address

    def first(self, count: int) -> Rows:
        """Return the rows themselves."""
        return self

    def __getitem__(self, rows: Ints) -> Floats:
        """Fetch some rows, (len(rows), shown)."""
        fetched = np.empty((len(rows), self.shown), np.float32)
        for row, goal in zip(rows.tolist(), fetched, strict=True):
            origin = self.address + row * self.shape[1] * fetched.itemsize
            self._block.copy(origin, goal.ctypes.data, self.shown, "cpu")
        return fetched
