"""Which tokens a step learns from: rows of a fixed length into which whole documents are packed.

A document is fed as `end t1 … tn`, and what follows each of these tokens is `t1 … tn end`: its
first token is learnt from the end token alone, which is how the bot begins, and at its last one
the model learns to end. Nothing is learnt across the border of two documents. One that is longer
than a row is cut into stretches of a row, each of which begins as if nothing stood before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainer.packing import pack

Tokens = NDArray[np.integer]
Indices = NDArray[np.int64]

IGNORED = -100
"""The target where a row has no token to learn; PyTorch's usual value."""
LONG = 32
"""Rows from which a document's cuts fall elsewhere in each epoch; its stretches lie alone then."""
SCANNED = 1 << 24
"""Tokens of a memory map that are looked at together."""


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

    edges: Indices
    stretches: Indices
    rows: Indices


class Windows:
    """Rows of `length` tokens in batches of `batch`; `tokens` may be a memory map.

    `tokens` are (N,) ids with `end` before, between and after the documents. In an epoch every
    token but the first is a target exactly once. Which documents share a row, and in which order
    the rows come, depends on the seed and the epoch.
    """

    def __init__(self, tokens: Tokens, length: int, batch: int, end: int, seed: int) -> None:
        self.tokens, self.length, self.end, self.seed = np.asarray(tokens), length, end, seed
        self._edges, self._long = _cut(self.tokens, length, end)
        self._claims = np.diff(self._edges)
        for _, last in self._long:
            self._claims[last - 1] = length
        patterns = pack(np.bincount(self._claims, minlength=length + 1))
        held = np.concatenate([np.full(rows, len(pattern)) for pattern, rows in patterns])
        self._bounds = np.concatenate([[0], np.cumsum(held)])
        claims = np.concatenate([np.tile(pattern, rows) for pattern, rows in patterns])
        self._places = np.argsort(claims, kind="stable")
        self.batch = min(batch, self.count)
        # A batch may hold the end of one epoch and the beginning of the next.
        self._epoch = lru_cache(maxsize=2)(self._arranged)

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
        if self._long:
            edges = edges.copy()
            for first, last in self._long:
                slack = (last - first) * self.length - (edges[last] - edges[first])
                edges[first + 1 : last] -= random.integers(slack + 1)
        shuffled = random.permutation(len(self._claims))
        stretches = np.empty_like(shuffled)
        by_claim = np.argsort(self._claims[shuffled], kind="stable")
        stretches[self._places] = shuffled[by_claim]
        return _Epoch(edges, stretches, random.permutation(self.count))

    def _batch(self, epoch: _Epoch, first: int, last: int) -> Batch:
        rows = epoch.rows[first:last]
        held = self._bounds[rows + 1] - self._bounds[rows]
        stretches = epoch.stretches[_ranges(self._bounds[rows], held)]
        starts = epoch.edges[stretches]
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


def _cut(tokens: Tokens, length: int, end: int) -> tuple[Indices, list[tuple[int, int]]]:
    """Where stretches begin, with the last one's end; and the stretches of `LONG` documents."""
    ends = [
        start + np.flatnonzero(tokens[start : start + SCANNED] == end)
        for start in range(0, len(tokens), SCANNED)
    ]
    borders = np.unique(np.concatenate([[0], *ends, [len(tokens) - 1]])).astype(np.int64)
    sizes = np.diff(borders)
    pieces = -(-sizes // length)
    starts = np.repeat(borders[:-1], pieces) + length * _ranges(np.zeros_like(pieces), pieces)
    firsts = np.cumsum(pieces) - pieces
    long = [(int(firsts[n]), int(firsts[n] + pieces[n])) for n in np.flatnonzero(pieces >= LONG)]
    return np.append(starts, borders[-1]), long


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
