"""What a step does with the whole vocabulary: change logits, weigh all tokens, draw one a row.

A graph does it (`trainer.sampling_graph`), or `draw` here, with the same result but for rounding.
Rows are independent: neither the number of rows nor their order changes what comes of one.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backends.decoding.weights import Doubles, Floats, Ints, padded, pick, running_sums


@dataclass(frozen=True)
class Wishes:
    """What each of B rows wants done; P places, of which unused ones repeat a row's first."""

    places: Ints
    """Tokens whose logits are changed, (B, P); one that comes twice is changed alike."""
    biases: Floats
    """What is added there first, (B, P)."""
    penalties: Floats
    """The repetition penalty there: divides what is above 0, multiplies the rest, (B, P)."""
    fines: Floats
    """What is taken away there last, (B, P)."""
    temperatures: Floats
    """By which logits are divided, (B, 1)."""
    top_p: Doubles
    """The nucleus's share of all weight, above 0; infinite where any may be drawn, (B, 1)."""
    min_p: Floats
    """The least weight of a token that is kept, as a share of the largest weight, (B, 1)."""
    greedy: NDArray[np.bool_]
    """Whether the likeliest token is taken and none drawn, (B, 1)."""
    random: Doubles
    """From 0 to below 1, (B, 1)."""
    candidates: int
    """How many of the likeliest tokens to tell."""

    def inputs(self) -> dict[str, NDArray[Any]]:
        """Return the graph's inputs by name."""
        return {**vars(self), "candidates": np.array([self.candidates])}


def no_wishes(rows: int) -> Wishes:
    """Return what leaves logits as they are."""
    zeros, ones = np.zeros((rows, 1), np.float32), np.ones((rows, 1), np.float32)
    places, random = np.zeros((rows, 1), np.int64), np.zeros((rows, 1))
    anything, drawn = np.full((rows, 1), np.inf), np.zeros((rows, 1), np.bool_)
    return Wishes(places, zeros, ones, zeros, ones, anything, zeros, drawn, random, candidates=1)


class Rows(Protocol):
    """Numbers (B, N), wherever they are."""

    def __getitem__(self, rows: Ints, /) -> Floats:
        """Return a copy of some rows, (len(rows), N)."""
        ...


@dataclass(frozen=True)
class Draws:
    """What came of a step; the memory is its maker's until the next one."""

    logits: Rows
    """As changed, (B, vocabulary or more)."""
    plain: Floats
    """The logits at the places before, (B, P)."""
    best: Floats
    """The highest changed logits, highest first, (B, K)."""
    best_tokens: Ints
    """Whose they are, (B, K)."""
    weights: Rows
    """softmax(logits / temperatures) and zeros behind, (B, padded vocabulary)."""
    whole: Doubles
    """The sum of the weights, not finite where a logit is not, (B, 1)."""
    tokens: Ints
    """The likeliest token where that is wished for, else one as likely as its weight, (B, 1)."""
    kept: NDArray[np.bool_]
    """Whether that token is finite, and top-p and min-p let it through, (B, 1)."""


def draw(logits: Floats, wishes: Wishes) -> Draws:
    """Do it here, for logits (B, vocabulary), which are changed."""
    each, vocabulary = np.arange(len(logits))[:, None], logits.shape[1]
    plain = logits[each, wishes.places]
    biased = plain + wishes.biases
    mended = np.where(biased > 0, biased / wishes.penalties, biased * wishes.penalties)
    logits[each, wishes.places] = mended - wishes.fines
    best_tokens = _highest(logits, wishes.candidates)
    # What is not finite shows in the sums of the weights.
    with np.errstate(invalid="ignore"):
        weights = np.zeros((len(logits), padded(vocabulary)), np.float32)
        cooled = (logits - logits.max(1, keepdims=True)) / wishes.temperatures
        np.exp(cooled, out=weights[:, :vocabulary])
        weights /= weights.sum(1, keepdims=True)
        sums = running_sums(weights)
        drawn = pick(weights, sums, wishes.random[:, 0])[:, None]
        tokens = np.where(wishes.greedy, best_tokens[:, :1], drawn)
        own, whole = weights[each, tokens], sums[:, -1:]
        above = np.where(weights > own, weights, 0).sum(1, keepdims=True, dtype=np.float64)
        inside = above < wishes.top_p * whole
        kept = inside & (own >= wishes.min_p * weights.max(1, keepdims=True))
    best = logits[each, best_tokens]
    return Draws(logits, plain, best, best_tokens, weights, whole, tokens, kept)


def _highest(logits: Floats, count: int) -> Ints:
    """Return the tokens of the highest logits, highest first."""
    if count == 1:
        return logits.argmax(1, keepdims=True)
    some = np.argpartition(-logits, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(logits, some, 1), axis=1, kind="stable")
    return np.take_along_axis(some, order, 1)
