"""Draw tokens from weights: what a token's weight is, so likely it is, up to a factor of its row.

Top-p is exact without sorting: a token is drawn from the whole distribution and kept if it is in
the nucleus; else all tokens as unlikely as it are dropped, and another is drawn (rejection
sampling as in FlashInfer, "Sorting-Free GPU Kernels for LLM Sampling", 2025). Most draws are kept
at once, whatever the vocabulary's size.

Each row's sums are made in the same order whatever rows are beside it. Weights are (B, N) float32
with N a multiple of `BLOCK`.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

NONE = -1
"""Stands where every token is refused."""
BLOCK = 256
"""Weights are summed in blocks of this many, so that a draw need not add up all of them."""
BELOW_ONE = 1 - 2.0**-53
"""The largest double below 1."""


def padded(vocabulary: int) -> int:
    """Return how many weights a row has: a whole number of blocks."""
    return -(-vocabulary // BLOCK) * BLOCK


def running_sums(weights: Floats) -> Doubles:
    """Return the sums of the blocks up to and with each, (B, blocks)."""
    blocks = weights.reshape(len(weights), weights.shape[1] // BLOCK, BLOCK).sum(axis=2)
    return blocks.cumsum(axis=1, dtype=np.float64)


def pick(weights: Floats, sums: Doubles, random: Doubles) -> Ints:
    """Return a token of each row, as likely as its weight; `NONE` where all weights are 0.

    `sums` are the rows' `running_sums`, `random` (B,) numbers from 0 to below 1.
    """
    goal = random * sums[:, -1]
    block = (sums <= goal[:, None]).sum(axis=1)
    empty = block == sums.shape[1]
    block[empty] = 0
    each = np.arange(len(weights))
    here = weights.reshape(len(weights), -1, BLOCK)[each, block]
    reach = here.cumsum(axis=1, dtype=np.float64)
    before = np.where(block > 0, sums[each, block - 1], 0)
    whole = sums[each, block] - before
    # A block's sum and the last of its running sums differ by rounding.
    share = np.divide(goal - before, whole, out=np.zeros(len(weights)), where=whole > 0)
    inner = (reach <= np.minimum(share, BELOW_ONE)[:, None] * reach[:, -1:]).sum(axis=1)
    return np.where(empty, NONE, block * BLOCK + inner)


def inside(weights: Floats, tokens: Ints, nucleus: Doubles, floor: Floats) -> NDArray[np.bool_]:
    """Tell which tokens top-p and min-p let through.

    All but `weights` are (B,): the tokens picked, how much weight the nucleus has, the least weight
    that min-p wants. The nucleus is the likeliest tokens that together reach its weight, and all
    tokens as likely as its last one.
    """
    own = weights[np.arange(len(weights)), tokens]
    likelier = np.where(weights > own[:, None], weights, 0).sum(axis=1, dtype=np.float64)
    return (likelier < nucleus) & (own >= floor)
