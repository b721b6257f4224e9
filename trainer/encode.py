"""Turn texts into two arrays of token ids on disk, one to learn from and one held out."""

import random
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HEADER_BYTES = 128
"""Room for the .npy header, whose length must be known before the array's is."""
CHARACTERS_AT_ONCE = 1 << 19
LONGEST = 1 << 16
"""Tokens up to which lengths of texts are counted apart."""


class TokenFile(AbstractContextManager["TokenFile"]):
    """Write a 1-D .npy array of unknown length piece by piece."""

    def __init__(self, path: Path, vocabulary: int) -> None:
        self.dtype = np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.uint32)
        self.count = 0
        self._file = path.open("wb")
        self._file.write(bytes(HEADER_BYTES))

    def append(self, ids: list[int]) -> None:
        """Add token ids at the end."""
        self._file.write(np.asarray(ids, self.dtype).tobytes())
        self.count += len(ids)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.seek(0)
        npy.write_array_header_1_0(
            self._file,
            {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False,
             "shape": (self.count,)},
        )  # fmt: skip
        assert self._file.tell() == HEADER_BYTES  # noqa: S101 - numpy pads to 64 bytes
        self._file.close()


@dataclass
class Counts:
    """What an encoding found."""

    texts: int = 0
    characters: int = 0
    training_tokens: int = 0
    validation_tokens: int = 0
    validation_texts: int = 0
    tokens: int = 0
    """All tokens but the ends."""
    longest: int = 0
    """Tokens of the longest text."""
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(LONGEST + 1, np.int64))
    """How many texts have 0, 1, 2, … tokens, the last entry counting all longer ones."""

    def add(self, text: str, tokens: int, *, held: bool) -> None:
        """Count a text with its tokens, which the end is none of."""
        self.texts += 1
        self.validation_texts += held
        self.characters += len(text)
        self.tokens += tokens
        self.longest = max(self.longest, tokens)
        self.lengths[min(tokens, LONGEST)] += 1

    def covering(self, share: float) -> int:
        """The fewest tokens that `share` of the texts do not exceed."""
        return int(np.searchsorted(np.cumsum(self.lengths), share * self.lengths.sum()))


def encode(
    texts: Iterable[str],
    tokenizer: "Tokenizer",
    end: int,
    training: Path,
    validation: Path,
    val_fraction: float,
    seed: int,
    *,
    long: bool = False,
    first: NDArray[np.int64] | None = None,
) -> Counts:
    """Write both splits; every text, or each of long text's stretches, falls into one by chance.

    The end token stands before the first text, between texts, and after the last. `first` gives
    of each text the number of the text that it is a copy of, or its own: copies fall into the
    same split, for what was learned by heart would be measured else.
    """
    # A text that happens to hold the end token's spelling must not end there.
    tokenizer.encode_special_tokens = True
    counts = Counts()
    holding_out = _one_of_each(round(1 / val_fraction), seed)
    if first is not None:
        holding_out = _with_the_first(holding_out, first)
    size = tokenizer.get_vocab_size()
    with TokenFile(training, size) as learned, TokenFile(validation, size) as held_out:
        for file in (learned, held_out):
            file.append([end])
        for batch in _batches(texts):
            for text, encoding in zip(batch, tokenizer.encode_batch_fast(batch), strict=True):
                ids = encoding.ids if long else [*encoding.ids, end]
                held = next(holding_out)
                (held_out if held else learned).append(ids)
                counts.add(text, len(encoding.ids), held=held)
        if long:
            for file in (learned, held_out):
                file.append([end])
    counts.training_tokens, counts.validation_tokens = learned.count, held_out.count
    return counts


def _one_of_each(group: int, seed: int) -> Iterator[bool]:
    """Choose one at random of every `group` in a row, so that few texts are split fairly, too."""
    chance = random.Random(seed)  # noqa: S311 - no secret hangs on the split
    while True:
        chosen = chance.randrange(group)
        yield from (number == chosen for number in range(group))


def _with_the_first(holding_out: Iterator[bool], first: NDArray[np.int64]) -> Iterator[bool]:
    """Choose for texts that are no copies; what is chosen for a text holds for its copies."""
    held = np.zeros(len(first), np.bool_)
    for number, copied in enumerate(first):
        held[number] = next(holding_out) if copied == number else held[copied]
        yield bool(held[number])


def _batches(pieces: Iterable[str]) -> Iterator[list[str]]:
    """Group pieces so that a tokenizer's threads have work and memory stays small."""
    batch, length = [], 0
    for piece in pieces:
        batch.append(piece)
        length += len(piece)
        if length >= CHARACTERS_AT_ONCE:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch
