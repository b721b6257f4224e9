"""Which tokens a step learns from: rows of a fixed length into which whole documents are packed.

A document is fed as `end t1 … tn`, and what follows each of these tokens is `t1 … tn end`: its
first token is learnt from the end token alone, which is how the bot begins, and at its last one
the model learns to end. Nothing is learnt across the border of two documents. One that is longer
than a row is cut into stretches of a row, each of which begins as if nothing stood before it.

All stretches are in random order, so something of each is in memory: some 15 bytes, of long text
25, and up to 40 while the next epoch is arranged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from mmap import MADV_DONTNEED, mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.packing import Pattern, pack

Tokens = NDArray[np.integer]
Indices = NDArray[np.int64]
Narrow = NDArray[np.unsignedinteger]
"""Of the narrowest type that holds the numbers."""

IGNORED = -100
"""The target where a row has no token to learn; PyTorch's usual value."""
LONG = 32
"""Rows from which a document's cuts fall elsewhere in each epoch; its stretches lie alone then."""
SCANNED = 1 << 24
"""Tokens of a memory map that are looked at together."""
RANKED = 1 << 20
"""Stretches that are sorted together."""


@dataclass(frozen=True)
class Batch:
    """Rows of one step, (rows, length) each."""

    inputs: Indices
    targets: Indices
    """The tokens that follow the inputs; `IGNORED` where a row is filled up."""
    positions: Indices
    """Each token's place in its stretch; 0 begins one, and what fills a row up goes on counting."""

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: slice) -> "Batch":
        return Batch(self.inputs[rows], self.targets[rows], self.positions[rows])

    @property
    def count(self) -> int:
        """Tokens to learn."""
        return int((self.targets != IGNORED).sum())

    @property
    def packed(self) -> bool:
        """Whether a row holds more than one stretch."""
        return not self.positions[:, 1:].all()


@dataclass(frozen=True)
class _Epoch:
    """Where stretches are cut, which of them each place in the rows holds, and the rows' order."""

    edges: Narrow
    stretches: Narrow
    rows: Narrow


class Windows:
    """Rows of `length` tokens in batches of `batch`; `tokens` may be a memory map.

    `tokens` are (N,) ids with `end` before, between and after the documents. In an epoch every
    token but the first is a target exactly once. Which documents share a row, and in which order
    the rows come, depends on the seed and the epoch.
    """

    def __init__(self, tokens: Tokens, length: int, batch: int, end: int, seed: int) -> None:
        self.tokens, self.length, self.end, self.seed = np.asarray(tokens), length, end, seed
        self._edges, self._long = _cut(self.tokens, length, end)
        self._claims = np.diff(self._edges).astype(np.min_scalar_type(length))
        self._claims[self._long[:, 1] - 1] = length
        self._histogram = _counted(self._claims, length)
        self._bounds, claims = _row_by_row(pack(self._histogram), self._claims)
        self._places = np.empty_like(self._bounds, shape=len(claims))
        for some, ranks in self._ranked(claims):
            self._places[ranks] = np.arange(some.start, some.start + len(ranks))
        self.batch = min(batch, self.count)
        self._epoch = lru_cache(maxsize=1)(self._arranged)

    @property
    def count(self) -> int:
        """Rows in one epoch."""
        return len(self._bounds) - 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches that hold every row at least once."""
        return -(-self.count // self.batch)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step learns from, on average."""
        return round((len(self.tokens) - 1) * self.batch / self.count)

    def batch_at(self, step: int) -> Batch:
        """Return the rows of one step; they depend on seed and step only."""
        parts: list[Batch] = []
        row, stop = step * self.batch, (step + 1) * self.batch
        while row < stop:
            epoch, first = divmod(row, self.count)
            last = min(self.count, first + stop - row)
            parts.append(self._batch(self._epoch(epoch), first, last))
            row += last - first
        return parts[0] if len(parts) == 1 else _joined(parts)

    def once(self) -> Iterator[Batch]:
        """Every row once, in the order of the first epoch; the last batch may be smaller."""
        for first in range(0, self.count, self.batch):
            last = min(self.count, first + self.batch)
            yield self._batch(self._epoch(0), first, last)

    def _arranged(self, number: int) -> _Epoch:
        random = np.random.default_rng([self.seed, number])
        edges = self._edges
        if len(self._long):
            edges = edges.copy()
            for first, last in self._long:
                slack = (last - first) * self.length - int(edges[last] - edges[first])
                edges[first + 1 : last] -= edges.dtype.type(random.integers(slack + 1))
        shuffled = self._shuffled(len(self._claims), random)
        stretches = np.empty_like(shuffled)
        for some, ranks in self._ranked(self._claims, shuffled):
            stretches[self._places[ranks]] = shuffled[some]
        return _Epoch(edges, stretches, self._shuffled(self.count, random))

    def _shuffled(self, count: int, random: np.random.Generator) -> Narrow:
        """The same as `random.permutation(count)`, in less memory."""
        numbers = np.arange(count, dtype=self._bounds.dtype)
        random.shuffle(numbers)
        return numbers

    def _ranked(
        self, claims: Narrow, order: Narrow | None = None
    ) -> Iterator[tuple[slice, Indices]]:
        """Places of claims, put in some order, if they were sorted; equal ones stay in order."""
        places = np.cumsum(self._histogram) - self._histogram
        for start in range(0, len(claims), RANKED):
            some = slice(start, start + RANKED)
            chosen = claims[some] if order is None else claims[order[some]]
            counts = np.bincount(chosen, minlength=len(places))
            ranks = np.empty(len(chosen), np.int64)
            ranks[np.argsort(chosen, kind="stable")] = _ranges(places, counts)
            places += counts
            yield some, ranks

    def _batch(self, epoch: _Epoch, first: int, last: int) -> Batch:
        rows = epoch.rows[first:last].astype(np.int64)
        bounds = self._bounds[rows].astype(np.int64)
        held = self._bounds[rows + 1] - bounds
        stretches = epoch.stretches[_ranges(bounds, held)].astype(np.int64)
        starts = epoch.edges[stretches].astype(np.int64)
        sizes = epoch.edges[stretches + 1] - starts
        before = np.cumsum(sizes) - sizes
        moved = np.arange(len(rows)) * self.length - before[np.cumsum(held) - held]
        source, target = _ranges(starts, sizes), _ranges(before + np.repeat(moved, held), sizes)
        begins = target[before]
        inputs, targets, begun = (
            np.full((len(rows), self.length), fill, np.int64) for fill in (self.end, IGNORED, 0)
        )
        inputs.flat[target] = self.tokens[source]
        targets.flat[target] = self.tokens[source + 1]
        begun.flat[begins] = begins % self.length
        positions = np.arange(self.length) - np.maximum.accumulate(begun, axis=1)
        return Batch(inputs, targets, positions)


def stretches(tokens: Tokens, length: int, end: int) -> Iterator[tuple[Indices, Indices]]:
    """Inputs and targets (n,) of each document, or of each of its cuts, first to last."""
    edges, _ = _cut(tokens, length, end)
    for start, stop in pairwise(edges):
        yield (
            np.asarray(tokens[start:stop], np.int64),
            np.asarray(tokens[start + 1 : stop + 1], np.int64),
        )


def _cut(tokens: Tokens, length: int, end: int) -> tuple[Narrow, Indices]:
    """Where stretches begin, with the last one's end; and (n, 2) those of `LONG` documents."""
    narrow = np.min_scalar_type(len(tokens))
    edges, long, count = [], [], 0
    for borders in _borders(tokens, end):
        pieces = -(-np.diff(borders) // length)
        firsts = count + np.cumsum(pieces) - pieces
        spans = np.stack([firsts, firsts + pieces], axis=1)
        long.append(spans[pieces >= LONG])
        cuts = length * _ranges(np.zeros_like(pieces), pieces)
        edges.append((np.repeat(borders[:-1], pieces) + cuts).astype(narrow))
        count += len(cuts)
    return np.append(np.concatenate(edges), narrow.type(len(tokens) - 1)), np.concatenate(long)


def _borders(tokens: Tokens, end: int) -> Iterator[Indices]:
    """Where documents begin and end, piece by piece, of which each begins where the last ended."""
    border = 0
    for start in range(0, len(tokens), SCANNED):
        ends = start + np.flatnonzero(tokens[start : start + SCANNED] == end)
        _let_go(tokens)
        if start + SCANNED >= len(tokens):
            ends = np.append(ends, len(tokens) - 1)
        borders = np.unique(np.append(border, ends))
        border = int(borders[-1])
        yield borders


def _let_go(tokens: Tokens) -> None:
    """Give back the memory that a file's pages take which were read through a memory map."""
    base: Any = tokens
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if isinstance(base, mmap):
        base.madvise(MADV_DONTNEED)


def _counted(claims: Narrow, length: int) -> Indices:
    """How many stretches have 0, 1, 2, … up to `length` tokens."""
    counts = np.zeros(length + 1, np.int64)
    for start in range(0, len(claims), SCANNED):
        counts += np.bincount(claims[start : start + SCANNED], minlength=length + 1)
    return counts


def _row_by_row(patterns: list[tuple[Pattern, int]], like: Narrow) -> tuple[Narrow, Narrow]:
    """Which of all places each row begins at, with the end; and how many tokens each place has."""
    held = np.concatenate([np.full(rows, len(pattern), like.dtype) for pattern, rows in patterns])
    bounds = np.zeros(len(held) + 1, np.min_scalar_type(len(like)))
    np.cumsum(held, out=bounds[1:])
    claims = [np.tile(np.asarray(pattern, like.dtype), rows) for pattern, rows in patterns]
    return bounds, np.concatenate(claims)


def _ranges(starts: Indices, counts: Indices) -> Indices:
    """`count` numbers from each start on, one after the other."""
    before = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(starts - before, counts)


def _joined(parts: list[Batch]) -> Batch:
    return Batch(
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.positions for part in parts]),
    )
