"""Choose the next token of one text from its logits.

Every row is treated by itself and its randomness is a function of its seed and position alone, so
a text does not depend on what else is in the batch. The order of the steps is that of Hugging
Face's generation: penalty, temperature, top-k, top-p, min-p.
"""

import numpy as np
from numpy.typing import NDArray

from backends.vocabulary import Sampling

Floats = NDArray[np.float32]
COLDEST = 1e-6
"""The temperature below which float32 tells no token but the likeliest: greedy."""


def next_token(
    logits: Floats, sampling: Sampling, seen: list[int], seed: int, position: int
) -> int:
    """Return a token id for logits (vocabulary,), which may be overwritten.

    `seen` are the tokens that the repetition penalty counts, `position` is the index of the new
    token in its text.
    """
    if sampling.repetition_penalty != 1 and seen:
        penalise(logits, seen, sampling.repetition_penalty)
    if sampling.temperature < COLDEST:
        return int(logits.argmax())
    weights = np.exp((logits - logits.max()) / np.float32(sampling.temperature))
    tokens = candidates(weights, sampling)
    reach = np.cumsum(weights[tokens], dtype=np.float64)
    chosen = np.searchsorted(reach, uniform(seed, position) * reach[-1], side="right")
    return int(tokens[min(int(chosen), len(tokens) - 1)])


def penalise(logits: Floats, seen: list[int], penalty: float) -> None:
    """Lower the logits of tokens seen before (Keskar et al. 2019, section 4.1)."""
    scores = logits[seen]
    logits[seen] = np.where(scores > 0, scores / penalty, scores * penalty)


def candidates(weights: Floats, sampling: Sampling) -> NDArray[np.intp]:
    """Return the ids of the tokens that may be chosen, in an order that only weights decide.

    `weights` (vocabulary,) are probabilities up to a factor, the largest being 1.
    """
    fewer = 0 < sampling.top_k < len(weights)
    kept = np.flatnonzero(weights >= _floor(weights, sampling))
    if fewer or sampling.top_p < 1:
        kept = kept[np.argsort(-weights[kept], kind="stable")]
    if fewer:
        kept = kept[: sampling.top_k]
    if sampling.top_p < 1:
        whole = weights[kept] if fewer else weights
        goal = sampling.top_p * float(whole.sum(dtype=np.float64))
        kept = kept[: _nucleus(weights[kept], goal)]
    if sampling.min_p > 0:
        kept = kept[weights[kept] >= sampling.min_p]
    return kept


def uniform(seed: int, position: int) -> float:
    """Return the number in [0, 1) that a seed has at a position: Philox, counter-based."""
    generator = np.random.Philox(key=seed % 2**64, counter=position)
    return float(np.random.Generator(generator).random())


def _floor(weights: Floats, sampling: Sampling) -> float:
    """Return a weight below which no token can matter, so that few are left to sort.

    All tokens below (1 - top_p) / V of the sum have together less than 1 - top_p of it: the
    nucleus is complete without them. Where top-k applies, its own tokens are all that count.
    """
    if 0 < sampling.top_k < len(weights):
        return float(np.partition(weights, -sampling.top_k)[-sampling.top_k])
    if 0 < sampling.top_p < 1:
        return (1 - sampling.top_p) / len(weights) * float(weights.sum(dtype=np.float64))
    return 0.0


def _nucleus(sorted_weights: Floats, goal: float) -> int:
    """Return how many of the likeliest tokens it takes to reach the goal (at least one)."""
    reach = np.cumsum(sorted_weights, dtype=np.float64)
    return int(np.searchsorted(reach, goal)) + 1
