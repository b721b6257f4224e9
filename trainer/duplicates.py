"""Find texts that stand in the data twice, word for word or nearly so.

Exact copies are told by a hash of the text in small letters with single spaces. Near ones are told
by MinHash (Broder 1997) over runs of three words, with banding (Leskovec et al., Mining of Massive
Datasets, 3.4) to find candidates: hashes of eight groups of eight minima each. A candidate is a
near copy where its sketch says that nine in ten of all runs are common to both; of a short text,
all of them: one other word makes it another text. What is merely similar stays. A text takes 112
bytes on disk and some twenty in memory.
"""

import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KEPT, EXACT, NEAR = range(3)
"""What a text is: none of the others before it, a copy of one, nearly a copy of one."""
MINIMA, BANDS = 64, 8
RUN = 3
"""Words that make a run."""
ALIKE = 58
"""Of the 64 minima of long texts so many must agree: 0.9 of them."""
SHORT = 50
"""Words below which all minima must agree."""
EDGES = ".,:;!?'\"“”‘’«»…()[]"
"""What does not count at the ends of a word."""
WORDS_AT_ONCE = 1 << 16
COMPARED_AT_ONCE = 1 << 18
RECORD = np.dtype(
    [
        ("exact", np.uint64),
        ("bands", np.uint32, BANDS),
        ("sketch", np.uint8, MINIMA),
        ("short", np.bool_),
    ],
    align=True,
)
"""What is kept of a text on the disk."""

_draw = np.random.default_rng(0x9E3779B9)
FACTORS = _draw.integers(0, 1 << 63, MINIMA, np.uint64) * np.uint64(2) + np.uint64(1)
OFFSETS = _draw.integers(0, 1 << 63, MINIMA, np.uint64)
MIXERS = _draw.integers(0, 1 << 63, RUN + 1, np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True)
class Found:
    """What was found of each of N texts, in order."""

    copies: NDArray[np.uint8]
    """(N,) `KEPT`, `EXACT` or `NEAR`."""
    first: NDArray[np.int64]
    """(N,) the number of the text that it is a copy of; its own where it is kept."""


def find(texts: Iterable[str], folder: Path) -> Found:
    """Read all texts and tell which are copies of one before; `folder` takes a temporary file."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for batch in _batches(texts):
            file.write(_records(batch).tobytes())
        file.flush()
        count = file.tell() // RECORD.itemsize
        found = Found(np.zeros(count, np.uint8), np.arange(count))
        if count:
            records = np.memmap(file, RECORD, "r")
            _mark_exact(records["exact"], found)
            for band in range(BANDS):
                _mark_near(records, band, found)
        return found


def _batches(texts: Iterable[str]) -> Iterator[list[list[str]]]:
    """The words of texts, in batches for numpy."""
    batch, count = [], 0
    for text in texts:
        words = text.casefold().split()
        batch.append(words)
        count += len(words)
        if count >= WORDS_AT_ONCE:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _records(batch: list[list[str]]) -> NDArray[np.void]:
    records = np.zeros(len(batch), RECORD)
    records["exact"] = [
        int.from_bytes(blake2b(" ".join(words).encode(), digest_size=8).digest(), "little")
        for words in batch
    ]
    records["short"] = [len(words) < SHORT for words in batch]
    runs, starts = _runs(batch)
    for index in range(MINIMA):
        hashes = (runs * FACTORS[index] + OFFSETS[index]) >> np.uint64(32)
        minima = np.minimum.reduceat(hashes, starts)
        records["sketch"][:, index] = minima & np.uint64(0xFF)
        band = records["bands"][:, index * BANDS // MINIMA]
        band *= np.uint32(0x01000193)  # FNV's prime
        band ^= minima.astype(np.uint32)
    return records


def _runs(batch: list[list[str]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hashes of all runs of three words, one after another, and where each text's begin.

    A text of fewer words has one run, filled up with zeros.
    """
    crc = zlib.crc32
    padding = [0] * (RUN - 1)
    hashes: list[int] = []
    for words in batch:
        hashes += [crc((word.strip(EDGES) or word).encode()) for word in words] + padding
    words = np.asarray(hashes, np.uint64)
    lengths = np.asarray([len(words) for words in batch], np.int64)
    runs = np.zeros(len(words) - RUN + 1, np.uint64)
    for place in range(RUN):
        runs += words[place : place + len(runs)] * MIXERS[place]
    runs = (runs ^ (runs >> np.uint64(29))) * MIXERS[RUN]
    runs ^= runs >> np.uint64(32)
    numbers = np.maximum(1, lengths - RUN + 1)
    starts = np.cumsum(numbers) - numbers
    before = np.cumsum(lengths + RUN - 1) - (lengths + RUN - 1)
    return runs[np.arange(numbers.sum()) + np.repeat(before - starts, numbers)], starts


def _with_first(keys: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which texts have the key of one before them, and the first that has it."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    later = np.flatnonzero(~begins)
    group = np.cumsum(begins)[later] - 1
    return order[later], order[np.flatnonzero(begins)[group]]


def _mark_exact(keys: NDArray[np.uint64], found: Found) -> None:
    later, first = _with_first(keys)
    found.copies[later] = EXACT
    found.first[later] = first


def _mark_near(records: NDArray[np.void], band: int, found: Found) -> None:
    later, first = _with_first(records["bands"][:, band])
    sketches, short = records["sketch"], records["short"]
    fresh = found.copies[later] == KEPT
    later, first = later[fresh], first[fresh]
    for start in range(0, len(later), COMPARED_AT_ONCE):
        some = slice(start, start + COMPARED_AT_ONCE)
        copy, kept = later[some], first[some]
        agreeing = (sketches[copy] == sketches[kept]).sum(axis=1)
        alike = agreeing >= np.where(short[copy] | short[kept], MINIMA, ALIKE)
        found.copies[copy[alike]] = NEAR
        # The first may itself be a copy of one before it, found in another band.
        found.first[copy[alike]] = found.first[kept[alike]]
