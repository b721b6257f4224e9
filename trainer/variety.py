"""How varied texts are: figures that need no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

from backends.word_index import words_of

LENGTHS = (1, 2, 3)
REPEATED = 4


@dataclass(frozen=True)
class Variety:
    """Words are counted without case, as `backends.word_index` has them. Shares are 0 to 1."""

    texts: int
    mean_words: float
    distinct: dict[int, float]
    """By length n: different runs of n words over all such runs (distinct-n: Li et al. 2016).

    The more texts, the lower: compare as many.
    """
    repeated: float
    """Share of a text's runs of four words that stood in it before, over the texts that have any.

    It is seq-rep-4 of Welleck et al. 2020, in words.
    """


def variety_of(texts: Sequence[str]) -> Variety:
    """Measure texts, of which there is at least one."""
    words = [words_of(text) for text in texts]
    repeated = [1 - _distinct(runs) for text in words if (runs := _runs(text, REPEATED))]
    return Variety(
        texts=len(texts),
        mean_words=round(fmean(map(len, words)), 1),
        distinct={
            n: round(_distinct([*chain.from_iterable(_runs(text, n) for text in words)]), 4)
            for n in LENGTHS
        },
        repeated=round(fmean(repeated), 4) if repeated else 0.0,
    )


def _runs(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]


def _distinct(runs: list[tuple[str, ...]]) -> float:
    return len(set(runs)) / len(runs) if runs else 1.0
