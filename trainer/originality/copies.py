"""How much of one text is copied from the training texts, and from which."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from backends.word_index import SEPARATOR, WORD, WordIndex, words_of

NEAR = 0.8
"""From this likeness on a text is a near copy."""
MARGIN = 12
"""Words of a long source that are shown on either side of the run."""


@dataclass(frozen=True)
class Copied:
    """What one text has in common with the training texts. Lengths are in words."""

    text: str
    words: int
    runs: tuple[int, ...]
    """At each word, how long the run that begins there is copied."""
    longest: int
    start: int
    """The word at which the longest copied run begins."""
    place: int
    """A place of it in the index."""
    likeness: float
    """To the stretch of the training text around it, 0 to 1."""
    exact: bool
    """Whether the text is, word for word, one whole training text."""

    @property
    def share(self) -> float:
        """The longest copied run over the text's length."""
        return self.longest / self.words if self.words else 0.0

    @property
    def near(self) -> bool:
        """Whether it is nearly a copy, but no exact one."""
        return self.likeness >= NEAR and not self.exact

    @property
    def run(self) -> str:
        """The longest copied run as the text has it."""
        matches = list(WORD.finditer(self.text))[self.start : self.start + self.longest]
        return self.text[matches[0].start() : matches[-1].end()] if matches else ""


def hold_against(index: WordIndex, text: str) -> Copied:
    """Hold a text against the indexed training texts."""
    numbers = index.numbers(words_of(text))
    found = [index.longest(numbers[start:]) for start in range(len(numbers))]
    runs = tuple(length for length, _ in found)
    start = max(range(len(runs)), key=runs.__getitem__, default=0)
    longest, place = found[start] if found else (0, 0)
    return Copied(
        text=text,
        words=len(numbers),
        runs=runs,
        longest=longest,
        start=start,
        place=place,
        likeness=_likeness(index, numbers, place - start, place) if longest else 0.0,
        exact=0 < longest == len(numbers) and _is_whole(index, numbers),
    )


def source_of(index: WordIndex, text_at: Callable[[int], str], copied: Copied) -> str:
    """Return the training text of the longest run, or of a long text what stands around the run.

    `text_at(i)` is text i of those indexed.
    """
    separators = np.flatnonzero(index.words[: copied.place] == SEPARATOR)
    text = text_at(len(separators) - 1)
    matches = list(WORD.finditer(text))
    first = copied.place - int(separators[-1]) - 1
    begin, end = 0, len(text)
    if len(matches) > copied.words + 2 * MARGIN:
        last = min(first + copied.longest + MARGIN, len(matches)) - 1
        begin = matches[max(first - MARGIN, 0)].start()
        end = matches[last].end()
    return f"{'… ' if begin else ''}{text[begin:end].strip()}{' …' if end < len(text) else ''}"


def _likeness(index: WordIndex, numbers: list[int], begin: int, place: int) -> float:
    """Return how like a text is to as many words of the training text, from `begin` on.

    The copied run is at `place`. It is difflib's ratio: twice the words that both have in the same
    order, over the words of both.
    """
    before = index.words[max(begin, 0) : place]
    behind = index.words[place : begin + len(numbers)]
    own = np.flatnonzero(before == SEPARATOR)
    following = np.flatnonzero(behind == SEPARATOR)
    before = before[own[-1] + 1 :] if len(own) else before
    behind = behind[: following[0]] if len(following) else behind
    stretch = [*before.tolist(), *behind.tolist()]
    return SequenceMatcher(None, numbers, stretch, autojunk=False).ratio()


def _is_whole(index: WordIndex, numbers: list[int]) -> bool:
    """Tell whether some training text has these words and no others."""
    low, high = index.find([*numbers, SEPARATOR])
    return bool((index.words[index.suffixes[low:high] - 1] == SEPARATOR).any())
