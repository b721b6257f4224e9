"""Memory on a device that ONNX Runtime manages, such as a GPU, and copying from it."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

# An ONNX graph of one Identity over float32 (n,): ONNX Runtime's way to copy within a device.
COPY = (
    b'\x08\n:<\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x04copyZ\x10\n\x01x\x12\x0b\n\t\x08'
    b"\x01\x12\x05\n\x03\x12\x01nb\x10\n\x01y\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01nB\x04"
    b"\n\x00\x10\x15"
)


class DeviceBlock:
    """Numbers that lie on a device."""

    def __init__(self, numbers: NDArray[Any], device: str, provider: str) -> None:
        """Put `numbers` there. `device` is ONNX Runtime's name for it."""
        self._device = device
        self._block = onnxruntime.OrtValue.ortvalue_from_numpy(numbers, device, 0)
        self._copier = onnxruntime.InferenceSession(COPY, providers=[provider])
        self._binding = self._copier.io_binding()

    @property
    def address(self) -> int:
        """Where the block begins."""
        return self._block.data_ptr()

    def copy(self, origin: int, goal: int, count: int, to: str) -> None:
        """Copy as much as `count` float32 take, from an address of the block to one on `to`."""
        self._binding.bind_input("x", self._device, 0, np.float32, (count,), origin)
        self._binding.bind_output("y", to, 0, np.float32, (count,), goal)
        self._copier.run_with_iobinding(self._binding)
