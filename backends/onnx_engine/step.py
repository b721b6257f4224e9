"""A decoding step of some rows: what the graph reads and writes, and where that lies."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from backends.decoding.draws import Draws, Wishes, no_wishes
from backends.onnx_engine.wide_rows import WideRows


class Step:
    """The step of the first B slots, bound once; what is small lies in the machine's memory."""

    def __init__(
        self,
        binding: onnxruntime.IOBinding,
        width: int,
        logits: WideRows,
        weights: WideRows,
        *,
        copies: bool,
    ) -> None:
        """Take a binding that has the cache. `copies`: binding an input copies it to a device."""
        self.binding = binding
        self._copies = copies
        self._width = width
        self._wide = {"logits": logits, "weights": weights}
        self._inputs: dict[str, NDArray[Any]] = {}
        for name, rows in self._wide.items():
            shape = (width, rows.shape[1])
            binding.bind_output(name, rows.device, 0, np.float32, shape, rows.address)
        self._keep(
            {
                "input_ids": np.zeros((width, 1), np.int64),
                "position_ids": np.zeros((width, 1), np.int64),
                "seqlens_k": np.zeros(width, np.int32),
                "total_sequence_length": np.zeros((), np.int32),
                "logit_rows": np.arange(width),
            }
        )
        self.draws = self._make_room(no_wishes(width))
        """Where a run leaves its results."""

    def prepare(
        self, tokens: NDArray[np.int64], lengths: NDArray[np.int64], wishes: Wishes
    ) -> None:
        """Put a step's inputs where the graph reads them."""
        room = self.draws.plain.shape, self.draws.best.shape[1]
        if room != (wishes.places.shape, wishes.candidates):
            self.draws = self._make_room(wishes)
        values = {
            "input_ids": tokens[:, None],
            "position_ids": lengths[:, None],
            "seqlens_k": lengths,
            "total_sequence_length": lengths.max() + 1,
            **wishes.inputs(),
        }
        for name, value in values.items():
            self._inputs[name][...] = value
        if self._copies:
            self._keep(self._inputs)

    def _make_room(self, wishes: Wishes) -> Draws:
        """Bind memory for as many places and candidates as wished."""
        rows, places = wishes.places.shape
        self._keep({name: np.array(one, order="C") for name, one in wishes.inputs().items()})
        draws = Draws(
            logits=self._wide["logits"].first(self._width),
            plain=np.zeros((rows, places), np.float32),
            best=np.zeros((rows, wishes.candidates), np.float32),
            best_tokens=np.zeros((rows, wishes.candidates), np.int64),
            weights=self._wide["weights"].first(self._width),
            whole=np.zeros((rows, 1)),
            tokens=np.zeros((rows, 1), np.int64),
            kept=np.zeros((rows, 1), np.bool_),
        )
        for name, value in vars(draws).items():
            if name not in self._wide:
                bind(self.binding.bind_output, name, value)
        return draws

    def _keep(self, inputs: dict[str, NDArray[Any]]) -> None:
        self._inputs |= inputs
        for name, value in inputs.items():
            bind(self.binding.bind_input, name, value)


def bind(method: Callable[..., None], name: str, value: NDArray[Any]) -> None:
    """Bind a contiguous array's memory; the caller keeps the array alive while it is bound."""
    method(name, "cpu", 0, value.dtype.type, value.shape, value.ctypes.data)
