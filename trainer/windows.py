"""Which tokens a step learns from: fixed-length windows over one long array of token ids.

Every window that can begins at the start of a text, which is where the bot will begin, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.integer]


@dataclass(frozen=True)
class Windows:
    """Windows of `length` inputs and the tokens that follow them, in batches of `batch`."""

    tokens: Tokens
    """(N,) token ids with `end` before, between and after the texts; may be a memory map."""
    length: int
    batch: int
    end: int
    seed: int

    @property
    def count(self) -> int:
        """Windows in one epoch."""
        return (len(self.tokens) - 1) // self.length

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch, at least one; the last windows of an order may be left out."""
        return max(1, self.count // self.batch)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step learns from."""
        return min(self.batch, self.count) * self.length

    def batch_at(self, step: int) -> tuple[Tokens, Tokens]:
        """Inputs and targets of one step, (batch, length) each; depends on seed and step only."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order, shift = self._epoch(epoch)
        chosen = order[index * self.batch : (index + 1) * self.batch]
        return self._cut([int(window) * self.length + shift for window in chosen])

    def in_order(self) -> Iterator[tuple[Tokens, Tokens]]:
        """All windows once, first to last."""
        for start in range(0, self.count, self.batch):
            stop = min(start + self.batch, self.count)
            yield self._cut([window * self.length for window in range(start, stop)])

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], int]:
        """The order of the windows in an epoch, and by how much all of them are moved."""
        random = np.random.default_rng([self.seed, epoch])
        slack = (len(self.tokens) - 1) % self.length
        return random.permutation(self.count), int(random.integers(slack + 1))

    def _cut(self, starts: list[int]) -> tuple[Tokens, Tokens]:
        rows = np.stack([self._window(start) for start in starts]).astype(np.int64)
        return rows[:, :-1], rows[:, 1:]

    def _window(self, start: int) -> Tokens:
        """Move a window back to the end token before it, unless its text is longer than that."""
        before = max(0, start - self.length + 1)
        ends = np.flatnonzero(self.tokens[before : start + 1] == self.end)
        begin = before + int(ends[-1]) if len(ends) else start
        return self.tokens[begin : begin + self.length + 1]
