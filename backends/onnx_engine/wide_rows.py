"""Rows as wide as the vocabulary: they stay on the device that makes them.

Of a GPU's, one is fetched where it is wanted; in the machine's own memory they are looked at.
"""

from abc import ABC, abstractmethod

import numpy as np
import onnxruntime

from backends.decoding.draws import Rows
from backends.decoding.weights import Floats, Ints
from backends.onnx_engine.cache import COPY


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
        zeros = np.zeros(self.shape, np.float32)
        self._block = onnxruntime.OrtValue.ortvalue_from_numpy(zeros, device, 0)
        self._copier = onnxruntime.InferenceSession(COPY, providers=[provider])

    @property
    def address(self) -> int:
        """Where the rows begin."""
        return self._block.data_ptr()

    def first(self, count: int) -> Rows:
        """Return the rows themselves."""
        return self

    def __getitem__(self, rows: Ints) -> Floats:
        """Fetch some rows, (len(rows), shown)."""
        fetched = np.empty((len(rows), self.shown), np.float32)
        shape, size = (self.shown,), self.shape[1] * fetched.itemsize
        binding = self._copier.io_binding()
        for row, goal in zip(rows.tolist(), fetched, strict=True):
            origin = self.address + row * size
            binding.bind_input("x", self.device, 0, np.float32, shape, origin)
            binding.bind_output("y", "cpu", 0, np.float32, shape, goal.ctypes.data)
            self._copier.run_with_iobinding(binding)
        return fetched
