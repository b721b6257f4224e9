"""Find in a moment whether a run of words stands in a model's training texts.

The index is the training texts as numbers of words, and the sorted list of all their suffixes (a
suffix array: Manber & Myers 1993), searched by bisection in memory-mapped files. Words are compared
without case, whatever stands between them. No run goes from one text to the next.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from backends.vocabulary import BackendError

FILES = {
    "words": "originality-words.npy",
    "suffixes": "originality-suffixes.npy",
    "letters": "originality-letters.npy",
    "offsets": "originality-offsets.npy",
}
"""The arrays of `WordIndex` as files of a model directory."""

SEPARATOR = 0
"""Stands in place of a word before, between and after texts."""
UNKNOWN = -1
"""Stands in place of a word that no training text has."""

_WHOLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Kana and Han: written without spaces, so each character is counted as a word."""
_LETTER = rf"[^\W_{_WHOLE}]"
WORD = re.compile(rf"[{_WHOLE}]|{_LETTER}{{1,64}}")
"""A word: letters and digits in a row, so that "don't" is two.

Cutting a text anywhere cuts one word only: those before it are found as before.
"""


def words_of(text: str) -> list[str]:
    """Return a text's words as they are compared."""
    return [word.casefold() for word in WORD.findall(text)]


class WordIndex:
    """The words of all training texts, and every run of them to be found."""

    def __init__(
        self,
        words: NDArray[np.integer],
        suffixes: NDArray[np.integer],
        letters: NDArray[np.integer],
        offsets: NDArray[np.integer],
    ) -> None:
        """Take the arrays as they are; `check` tells whether they fit together.

        `words` (N,), int32, are numbers of words, `SEPARATOR` first, last and between texts.
        `suffixes` (N,), int32, are the places in them, in the order of what follows there. Word i
        is the UTF-8 `letters[offsets[i]:offsets[i + 1]]`; words are numbered in the order of their
        bytes, and number 0 is the empty word.
        """
        # A memory map's own class makes each look at an element slow.
        self.words = np.asarray(words)
        self.suffixes = np.asarray(suffixes)
        self.letters = np.asarray(letters)
        self.offsets = np.asarray(offsets)

    def check(self) -> None:
        """Raise `ValueError` where a search in these arrays could leave them."""
        parts = (self.words, self.suffixes, self.letters, self.offsets)
        if any(part.ndim != 1 for part in parts):
            raise ValueError("its parts are no lists")
        count, known = len(self.words), len(self.offsets) - 1
        if not (self.words.dtype == self.suffixes.dtype == np.int32):
            raise ValueError("its numbers have the wrong type")
        if self.letters.dtype != np.uint8 or self.offsets.dtype != np.int64 or known < 1:
            raise ValueError("its list of words has the wrong type")
        if count == 0 or len(self.suffixes) != count or self.words[-1] != SEPARATOR:
            raise ValueError("its parts do not fit together")
        if self.suffixes.min() < 0 or self.suffixes.max() >= count:
            raise ValueError("it leads to places that it does not have")
        if self.words.min() < 0 or self.words.max() >= known:
            raise ValueError("it has words that are not in its list")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.letters):
            raise ValueError("its list of words is cut short")
        if (np.diff(self.offsets) < 0).any():
            raise ValueError("its list of words is out of order")

    def word(self, number: int) -> str:
        """Return the word of a number."""
        return self._letters_of(number).decode(errors="replace")

    def numbers(self, words: Sequence[str]) -> list[int]:
        """Return the numbers of words; `UNKNOWN` for those that no training text has."""
        return [self.number(word) for word in words]

    def number(self, word: str) -> int:
        """Return a word's number, or `UNKNOWN`."""
        letters = word.encode()
        number = self._first_from(letters)
        known = number < len(self.offsets) - 1 and self._letters_of(number) == letters
        return number if known else UNKNOWN

    def beginning_with(self, letters: str) -> tuple[int, int]:
        """Return the first number of the words that begin so, and the first one behind them."""
        first = letters.encode()
        return self._first_from(first), self._first_from(first + b"\xff")

    def find(self, run: Sequence[int]) -> tuple[int, int]:
        """Return which of the `suffixes` begin with these numbers of words, as a range."""
        low, high = 0, len(self.suffixes)
        for depth, number in enumerate(run):
            low, high = self.narrow(low, high, depth, number, number + 1)
        return low, high

    def narrow(self, low: int, high: int, depth: int, first: int, behind: int) -> tuple[int, int]:
        """Return those of a range of suffixes whose word at `depth` is `first` up to `behind`.

        All suffixes of the range have the same `depth` words before it.
        """
        if low >= high or first < 0:
            return low, low
        words, suffixes, last = self.words, self.suffixes, len(self.words) - 1

        def word_at(place: int) -> int:
            return words.item(min(suffixes.item(place) + depth, last))

        low = bisect_left(range(high), first, low, key=word_at)
        return low, bisect_left(range(high), behind, low, key=word_at)

    def longest(self, run: Sequence[int]) -> tuple[int, int]:
        """Return how many words of the run's beginning are copied, and a place of them in `words`.

        A `run` holds no `SEPARATOR`. Without a copied word the place is 0.
        """
        low, high, place = 0, len(self.suffixes), 0
        for depth, number in enumerate(run):
            low, high = self.narrow(low, high, depth, number, number + 1)
            if low == high:
                return depth, place
            place = int(self.suffixes[low])
        return len(run), place

    def _letters_of(self, number: int) -> bytes:
        return self.letters[self.offsets[number] : self.offsets[number + 1]].tobytes()

    def _first_from(self, letters: bytes) -> int:
        """Return the number of the first word that is not below these letters; 0 is no word."""
        return bisect_left(range(len(self.offsets) - 1), letters, 1, key=self._letters_of)


def open_word_index(folder: Path, model: str) -> WordIndex:
    """Map the index in a model's directory; raises `BackendError` where it is broken."""
    try:
        index = WordIndex(
            **{part: open_memmap(folder / file, mode="r") for part, file in FILES.items()}
        )
        index.check()
    except (OSError, ValueError) as error:
        raise BackendError(
            f"The originality index of the model {model} is broken ({error}): export the model "
            "again with --originality-index."
        ) from error
    return index
