"""Find texts that stand in the data twice, word for word or nearly so.

Exact copies are told by a hash of the text in small letters with single spaces; near ones by a
hash of its words without the marks at their ends. Of texts of `LONG` words or more those are near
copies, too, that have nine in ten runs of three words in common: MinHash (Broder 1997), with
banding (Leskovec et al., Mining of Massive Datasets, 3.4) to find candidates by hashes of eight
groups of eight minima each. What is merely similar stays.

A text takes 16 bytes in temporary files, a long one 120, and in memory a byte or two. Hashes are
sorted a share at a time, whichever number of texts there is.
"""

import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

KEPT, EXACT, NEAR = range(3)
"""What a text is: none of the others before it, a copy of one, nearly a copy of one."""
MINIMA, BANDS = 64, 8
RUN = 3
"""Words that make a run."""
ALIKE = 58
"""So many minima must agree: 0.9 of them."""
LONG = 50
"""Words from which texts are compared by their runs. In fewer one other word makes another text."""
EDGES = ".,:;!?'\"“”‘’«»…()[]"
"""What does not count at the ends of a word."""
WORDS_AT_ONCE = 1 << 16
CHARACTERS_AT_ONCE = 1 << 20
SORTED_AT_ONCE = 1 << 21
READ_AT_ONCE = 1 << 20
COMPARED_AT_ONCE = 1 << 18

_draw = np.random.default_rng(0x9E3779B9)
FACTORS = _draw.integers(0, 1 << 63, MINIMA, np.uint64) * np.uint64(2) + np.uint64(1)
OFFSETS = _draw.integers(0, 1 << 63, MINIMA, np.uint64)
MIXERS = _draw.integers(0, 1 << 63, RUN + 1, np.uint64) * np.uint64(2) + np.uint64(1)

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """What was found of each of N texts, in order."""

    copies: NDArray[np.uint8]
    """(N,) `KEPT`, `EXACT` or `NEAR`."""
    first: Indices | None
    """(N,) the number of a text before it that it is a copy of; its own where it is kept."""

    def mark(self, copies: Indices, firsts: Indices, what: int) -> None:
        """Note of which texts others are copies."""
        self.copies[copies] = what
        if self.first is not None:
            self.first[copies] = firsts


class _Column:
    """One number, or row of numbers, for each text, in a temporary file."""

    def __init__(self, file: BinaryIO, dtype: type[np.generic], width: int = 1) -> None:
        self._file, self._dtype, self._width = file, np.dtype(dtype), width

    def append(self, values: NDArray[np.generic]) -> None:
        self._file.write(values.astype(self._dtype, copy=False).tobytes())

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """The numbers in order, many at a time."""
        self._file.seek(0)
        while block := self._file.read(READ_AT_ONCE * self._dtype.itemsize):
            yield np.frombuffer(block, self._dtype)

    def mapped(self) -> NDArray[Any]:
        """All rows, (N, width), as a memory map."""
        self._file.flush()
        return np.memmap(self._file, self._dtype, "r").reshape(-1, self._width)


class _Columns:
    """What is kept of the texts while copies are looked for."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        def column(dtype: type[np.generic], width: int = 1) -> _Column:
            return _Column(files.enter_context(tempfile.TemporaryFile(dir=folder)), dtype, width)

        self.count = self.long_count = 0
        self.exact, self.near = column(np.uint64), column(np.uint64)
        # Of the long texts only:
        self.numbers, self.sketches = column(np.int64), column(np.uint8, MINIMA)
        self.bands = [column(np.uint32) for _ in range(BANDS)]


def find(texts: Iterable[str], folder: Path, *, firsts: bool = True) -> Found:
    """Read all texts and tell which are copies of one before; `folder` takes temporary files.

    Without `firsts` it is not told of which, which takes 8 bytes of memory a text.
    """
    with ExitStack() as files:
        columns = _Columns(folder, files)
        _fill(columns, texts)
        found = Found(
            np.zeros(columns.count, np.uint8), np.arange(columns.count) if firsts else None
        )
        for column, what in ((columns.exact, EXACT), (columns.near, NEAR)):
            for copies, kept in _repeated(column, found.copies):
                found.mark(copies, kept, what)
        if columns.long_count:
            _mark_alike(columns, found)
        return found


def _fill(columns: _Columns, texts: Iterable[str]) -> None:
    for batch in _batches(texts):
        plain = [[word.strip(EDGES) or word for word in words] for words in batch]
        columns.exact.append(_hashes(batch))
        columns.near.append(_hashes(plain))
        long = {n: words for n, words in enumerate(plain, columns.count) if len(words) >= LONG}
        if long:
            columns.numbers.append(np.asarray([*long], np.int64))
            _sketch(columns, [*long.values()])
        columns.count += len(batch)
        columns.long_count += len(long)


def _batches(texts: Iterable[str]) -> Iterator[list[list[str]]]:
    """The words of texts, in batches for numpy."""
    batch, count, characters = [], 0, 0
    for text in texts:
        words = text.casefold().split()
        batch.append(words)
        count += len(words)
        characters += len(text)
        if count >= WORDS_AT_ONCE or characters >= CHARACTERS_AT_ONCE:
            yield batch
            batch, count, characters = [], 0, 0
    if batch:
        yield batch


def _hashes(batch: list[list[str]]) -> Hashes:
    """A hash of each text, of its words with single spaces."""
    digests = (blake2b(" ".join(words).encode(), digest_size=8).digest() for words in batch)
    return np.frombuffer(b"".join(digests), np.uint64)


def _sketch(columns: _Columns, long: list[list[str]]) -> None:
    """Add the minima of long texts."""
    runs, starts = _runs(long)
    sketches = np.zeros((len(long), MINIMA), np.uint8)
    bands = np.zeros((BANDS, len(long)), np.uint32)
    for index in range(MINIMA):
        hashes = (runs * FACTORS[index] + OFFSETS[index]) >> np.uint64(32)
        minima = np.minimum.reduceat(hashes, starts)
        sketches[:, index] = minima & np.uint64(0xFF)
        band = bands[index * BANDS // MINIMA]
        band *= np.uint32(0x01000193)  # FNV's prime
        band ^= minima.astype(np.uint32)
    columns.sketches.append(sketches)
    for column, band in zip(columns.bands, bands, strict=True):
        column.append(band)


def _runs(long: list[list[str]]) -> tuple[Hashes, Indices]:
    """Hashes of all runs of three words, one after another, and where each text's begin."""
    hashes = np.asarray([zlib.crc32(word.encode()) for words in long for word in words], np.uint64)
    number = len(hashes) - RUN + 1
    runs = np.zeros(number, np.uint64)
    for place in range(RUN):
        runs += hashes[place : place + number] * MIXERS[place]
    runs = (runs ^ (runs >> np.uint64(29))) * MIXERS[RUN]
    runs ^= runs >> np.uint64(32)
    lengths = np.asarray([len(words) for words in long], np.int64)
    stops, counts = np.cumsum(lengths), lengths - RUN + 1
    inside = np.ones(number, np.bool_)
    for place in range(1, RUN):  # runs that go on into the next text
        inside[stops[:-1] - place] = False
    return runs[inside], np.cumsum(counts) - counts


def _repeated(keys: _Column, copies: NDArray[np.uint8]) -> Iterator[tuple[Indices, Indices]]:
    """Which of what is no copy yet has the key of one before, and the first that has it.

    `copies` (N,) may be changed while this goes on. Keys are looked through again for each share
    of them, by their last bits, that is sorted.
    """
    shares = 1 << (len(copies) // SORTED_AT_ONCE).bit_length()
    for share in range(shares if len(copies) else 0):
        numbers, chosen, start = [], [], 0
        for some in keys:
            mine = (some & some.dtype.type(shares - 1)) == share
            mine &= copies[start : start + len(some)] == KEPT
            numbers.append(start + np.flatnonzero(mine))
            chosen.append(some[mine])
            start += len(some)
        later, first = _with_first(np.concatenate(chosen))
        places = np.concatenate(numbers)
        yield places[later], places[first]


def _with_first(keys: NDArray[np.generic]) -> tuple[Indices, Indices]:
    """Which keys stand before, too, and where first."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    later = np.flatnonzero(~begins)
    group = np.cumsum(begins)[later] - 1
    return order[later], order[np.flatnonzero(begins)[group]]


def _mark_alike(columns: _Columns, found: Found) -> None:
    """Mark near copies among the long texts."""
    numbers, sketches = columns.numbers.mapped()[:, 0], columns.sketches.mapped()
    copies = found.copies[numbers]
    for band in columns.bands:
        for later, first in _repeated(band, copies):
            for start in range(0, len(later), COMPARED_AT_ONCE):
                some = slice(start, start + COMPARED_AT_ONCE)
                copy, kept = later[some], first[some]
                alike = (sketches[copy] == sketches[kept]).sum(axis=1) >= ALIKE
                copies[copy[alike]] = NEAR
                found.mark(numbers[copy[alike]], numbers[kept[alike]], NEAR)
