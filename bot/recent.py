"""The last figures of one model, kept as they are: for people, who want to know how it is now."""

import math
import time
from collections import deque
from collections.abc import Callable, Collection

_KEPT = 1_000
"""So many of the last values stand for how it is now."""

_WINDOW = 60
"""Seconds that count as lately for the rate of tokens."""


class Recent:
    """How long answers and tokens took lately, and how many tokens came."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.first_token = deque[float](maxlen=_KEPT)
        """Seconds from the question to the first text."""
        self.between_tokens = deque[float](maxlen=_KEPT)
        """Seconds between two pieces of one text."""
        self._clock = clock
        self._tokens: dict[int, int] = {}

    def count(self, tokens: int) -> None:
        """Add tokens that were written just now."""
        second = int(self._clock())
        self._tokens[second] = self._tokens.get(second, 0) + tokens
        while len(self._tokens) > _WINDOW:
            del self._tokens[next(iter(self._tokens))]

    @property
    def tokens_per_second(self) -> float:
        """Of the last minute, over those seconds in which the model wrote at all."""
        first = self._clock() - _WINDOW
        lately = [tokens for second, tokens in self._tokens.items() if second > first]
        return sum(lately) / len(lately) if lately else 0.0


def quantile(values: Collection[float], share: float) -> float | None:
    """The value that this share of all does not exceed (nearest rank); `None` where none is."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
