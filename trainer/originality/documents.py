"""The texts of an encoded data set, decoded again: nothing else need be kept of a run's data."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from tokenizers import Tokenizer

from backends import UserError
from backends.word_index import WORD

LONGEST = 65_536
"""Tokens of a text that stay together."""
_AT_ONCE = 1024
_PLACES = 64
"""At least so many places a sample is taken from."""


class Documents:
    """The texts between the end tokens of an array of token ids, in their order."""

    def __init__(
        self,
        tokens: NDArray[np.integer],
        tokenizer: Tokenizer,
        end: int,
        *,
        longest: int = LONGEST,
        most_tokens: int | None = None,
    ) -> None:
        """Cut `tokens` (N,) at the end tokens, and texts of more than `longest` tokens in pieces.

        Of more than `most_tokens` tokens a sample is taken, from places spread over all of them;
        the others are not looked at.
        """
        self._tokens = tokens
        self._tokenizer = tokenizer
        self.step = -(-len(tokens) // most_tokens) if most_tokens else 1
        """One of how many texts is taken."""
        if self.step > 1:
            self._spans = _sampled_spans(tokens, end, longest, self.step)
        else:
            self._spans = _spans(tokens, end, longest)

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self._spans)

    def __getitem__(self, index: int) -> str:
        """Return a text."""
        start, stop = self._spans[index]
        return self._tokenizer.decode(self._tokens[start:stop].tolist())

    def __iter__(self) -> Iterator[str]:
        """Give one text after another, decoded many at a time."""
        for first in range(0, len(self), _AT_ONCE):
            spans = self._spans[first : first + _AT_ONCE]
            yield from self._tokenizer.decode_batch(
                [self._tokens[start:stop].tolist() for start, stop in spans]
            )


def pieces(texts: Iterable[str], words: int, count: int) -> list[str]:
    """Cut texts to at most so many words, and return at most `count`, spread evenly over all.

    Of a longer text there are as many pieces as are whole; texts without words are left out.
    """
    cut: list[str] = []
    for text in texts:
        found = list(WORD.finditer(text))
        if 0 < len(found) <= words:
            cut.append(text)
        else:
            whole = zip(found[::words], found[words - 1 :: words], strict=False)
            cut += [text[first.start() : last.end()] for first, last in whole]
    chosen = np.linspace(0, len(cut) - 1, min(count, len(cut))).round().astype(int)
    return [cut[index] for index in chosen.tolist()]


def read_array(path: Path) -> NDArray[np.integer]:
    """Map an array of token ids. Raises `UserError` where it cannot be read."""
    try:
        return open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as token ids: {error}") from error


def _spans(tokens: NDArray[np.integer], end: int, longest: int) -> NDArray[np.int64]:
    """Return where texts start and stop, (texts, 2); empty ones are left out."""
    ends = np.flatnonzero(tokens == end)
    starts, stops = np.append(0, ends + 1), np.append(ends, len(tokens))
    pieces = -(-(stops - starts) // longest)
    first = np.repeat(starts, pieces)
    number = np.arange(len(first)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begins = first + number * longest
    return np.stack([begins, np.minimum(begins + longest, np.repeat(stops, pieces))], axis=1)


def _sampled_spans(
    tokens: NDArray[np.integer], end: int, longest: int, step: int
) -> NDArray[np.int64]:
    """Return spans from one of every `step` tokens, as stretches spread over all of them."""
    spans: list[NDArray[np.int64]] = []
    place = max(step, len(tokens) // _PLACES)
    for start in range(0, len(tokens), place):
        part = tokens[start : start + place // step]
        borders = np.flatnonzero(part == end)
        # What a border of the part cuts is left out, unless there is nothing else.
        if len(borders) > 1:
            start, part = start + int(borders[0]), part[borders[0] : borders[-1] + 1]
        spans.append(_spans(part, end, longest) + start)
    return np.concatenate(spans)
