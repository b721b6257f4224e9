"""Find what a new text begins with among what was read before, so that it is read once.

Finished texts stay in rows of the cache behind the slots, the least recently used making way. A
text that must come out exactly the same takes only what was read as it would read it: whole chunks
from the start. Else rounding, which depends on how many tokens are read at once, could in rare
cases change a choice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK = 64
"""Tokens of a prompt read at once; borders are its multiples, whoever reads."""
WORTH_KEEPING = 32
"""A text of fewer tokens is read again sooner than looked after."""


@dataclass(frozen=True)
class Held:
    """What a row of the cache holds.

    The first `canonical` tokens were read in whole chunks from the start, and no others, save that
    the last of them ends where its prompt did.
    """

    row: int
    tokens: NDArray[np.int64]
    canonical: int

    def reusable(self, tokens: NDArray[np.int64], *, exact: bool) -> int:
        """Return how many tokens of a prompt need not be read again."""
        length = min(len(tokens), len(self.tokens))
        differing = np.flatnonzero(tokens[:length] != self.tokens[:length])
        common = int(differing[0]) if len(differing) else length
        return self.canonical_of(tokens, common) if exact else common

    def canonical_of(self, tokens: NDArray[np.int64], length: int) -> int:
        """Return how many of the first `length` tokens are here as reading the prompt leaves them.

        `length` of this row's tokens are those of the prompt.
        """
        length = min(length, self.canonical)
        whole = length == len(tokens) == self.canonical
        return length if whole else length // CHUNK * CHUNK


class Shelf:
    """Rows that keep finished texts."""

    def __init__(self, rows: Sequence[int]) -> None:
        self._free = list(rows)
        self._kept: dict[int, Held] = {}
        """By row, the one unused for longest first."""

    def place_for(self, tokens: Sequence[int], canonical: int) -> int | None:
        """Return the row to copy a finished text into, now noted as there; `None` for nowhere."""
        if len(tokens) < WORTH_KEEPING or not (self._free or self._kept):
            return None
        row = self._free.pop() if self._free else next(iter(self._kept))
        self._kept.pop(row, None)
        self._kept[row] = Held(row, np.array(tokens, np.int64), canonical)
        return row

    def touch(self, row: int) -> None:
        """Note that a row was of use; rows of running texts are none of ours."""
        if row in self._kept:
            self._kept[row] = self._kept.pop(row)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._kept.values())


def best_source(
    held: Iterable[Held], tokens: NDArray[np.int64], *, exact: bool
) -> tuple[int, Held] | None:
    """Return the row that spares the most reading, and how many tokens that is."""
    found = [(one.reusable(tokens, exact=exact), one) for one in held]
    length, source = max(found, key=lambda pair: pair[0], default=(0, None))
    return (length, source) if source and length else None
