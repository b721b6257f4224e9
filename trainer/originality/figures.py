"""How original many texts are, in a handful of figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.originality.copies import Copied

RUNS = (4, 5, 6, 8)
"""Lengths of runs, in words, that are counted."""


@dataclass(frozen=True)
class Figures:
    """What a set of texts has in common with the training texts. Shares are 0 to 1."""

    texts: int
    exact_copies: float
    """Share of texts that are, word for word, a whole training text."""
    near_copies: float
    """Share of texts that are nearly a stretch of a training text: see `copies.NEAR`."""
    with_run: dict[int, float]
    """By length: share of texts with a copied run of so many words."""
    new_runs: dict[int, float]
    """By length: share of all the texts' runs of so many words that no training text has."""
    longest_words: int
    """The longest run that any of the texts copies."""
    longest_share_median: float
    """A text's longest copied run over its length: the median, and the 95th percentile."""
    longest_share_p95: float


def figures_of(copies: Sequence[Copied]) -> Figures:
    """Sum up texts, of which there is at least one."""
    shares = np.array([copied.share for copied in copies])
    return Figures(
        texts=len(copies),
        exact_copies=_mean([copied.exact for copied in copies]),
        near_copies=_mean([copied.near for copied in copies]),
        with_run={n: _mean([copied.longest >= n for copied in copies]) for n in RUNS},
        new_runs={n: _new(copies, n) for n in RUNS},
        longest_words=max(copied.longest for copied in copies),
        longest_share_median=round(float(np.median(shares)), 4),
        longest_share_p95=round(float(np.percentile(shares, 95)), 4),
    )


def _mean(values: Sequence[bool]) -> float:
    return round(sum(values) / len(values), 4)


def _new(copies: Sequence[Copied], n: int) -> float:
    """Share of runs of n words that are new; 1 where the texts are too short to have any."""
    runs = [run for copied in copies for run in copied.runs[: max(copied.words - n + 1, 0)]]
    return _mean([run < n for run in runs]) if runs else 1.0
