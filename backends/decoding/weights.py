"""Draw tokens from weights: what a token's weight is, so likely it is, up to a factor of its row.

Top-p is exact without sorting: a token is drawn from the whole distribution and kept if it is in
the nucleus; else all tokens as unlikely as it are dropped, and another is drawn (rejection
sampling as in FlashInfer, "Sorting-Free GPU Kernels for LLM Sampling", 2025). Most draws are kept
at once, whatever the vocabulary's size.

Each row's sums are made in the same order whatever rows are beside it. Weights are (B, N) float32
with N a multiple of `BLOCK`; `rows`, ascending, say which of them are meant.
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
_TOP_BLOCK = 64
_PART = 4
_BELOW_ONE = 1 - 2.0**-53


def padded(vocabulary: int) -> int:
    """Return how many weights a row has: a whole number of blocks."""
    return -(-vocabulary // BLOCK) * BLOCK


def running_sums(weights: Floats, rows: Ints) -> Doubles:
    """Return the sums of the blocks up to and with each, (len(rows), blocks)."""
    ours = _of(weights, rows)
    blocks = ours.reshape(len(rows), ours.shape[1] // BLOCK, BLOCK).sum(axis=2)
    return blocks.cumsum(axis=1, dtype=np.float64)


def pick(weights: Floats, rows: Ints, sums: Doubles, random: Doubles) -> Ints:
    """Return a token of each row, as likely as its weight; `NONE` where all weights are 0.

    `sums` are the rows' `running_sums`, `random` (len(rows),) numbers from 0 to below 1.
    """
    goal = random * sums[:, -1]
    block = (sums <= goal[:, None]).sum(axis=1)
    empty = block == sums.shape[1]
    block[empty] = 0
    here = weights.reshape(len(weights), -1, BLOCK)[rows, block]
    reach = here.cumsum(axis=1, dtype=np.float64)
    each = np.arange(len(rows))
    before = np.where(block > 0, sums[each, block - 1], 0)
    whole = sums[each, block] - before
    # A block's sum and the last of its running sums differ by rounding.
    share = np.divide(goal - before, whole, out=np.zeros(len(rows)), where=whole > 0)
    inner = (reach <= np.minimum(share, _BELOW_ONE)[:, None] * reach[:, -1:]).sum(axis=1)
    return np.where(empty, NONE, block * BLOCK + inner)


def accept(
    weights: Floats, rows: Ints, tokens: Ints, nucleus: Doubles, whole: Doubles, floor: Floats
) -> NDArray[np.bool_]:
    """Tell which tokens top-p and min-p let through; from other rows drop what is no likelier.

    All but `weights` are (len(rows),): the tokens picked; how much weight the nucleus has, and all
    tokens together; the least weight that min-p wants. The nucleus is the likeliest tokens that
    together reach its weight, and all tokens as likely as its last one.
    """
    own = weights[rows, tokens]
    fine = (tokens == NONE) | (own >= floor)
    inside = nucleus >= whole
    if not inside.all():
        # A part of the vocabulary is enough to see that much of the rest is no likelier.
        part = _of(weights, rows)[:, : weights.shape[1] // _PART]
        not_likelier = np.multiply(part, part <= own[:, None]).sum(axis=1)
        inside |= not_likelier > whole - nucleus
    unsure = np.flatnonzero(~(inside & fine))
    if len(unsure):
        likelier = weights[rows[unsure]]
        likelier *= likelier > own[unsure, None]
        above = likelier.sum(axis=1)
        inside[unsure] |= (above == 0) | (above < nucleus[unsure])
        refused = ~(inside & fine)[unsure]
        weights[rows[unsure[refused]]] = likelier[refused]
    return inside & fine


def keep_top(weights: Floats, counts: Ints) -> Floats:
    """Return weights (B, N) with all but each row's `counts` (B,) largest set to 0.

    Of equal weights those with the lower index are kept.
    """
    blocks = -np.sort(-weights.reshape(len(weights), -1, _TOP_BLOCK).max(axis=2), axis=1)
    # As many blocks have a maximum of at least this: as many weights are at least this.
    deciding = np.minimum(counts, blocks.shape[1]) - 1
    floor = np.take_along_axis(blocks, deciding[:, None], 1)
    floor[counts > blocks.shape[1]] = 0
    places = np.flatnonzero((weights >= floor) & (weights > 0))
    row, values = places // weights.shape[1], weights.ravel()[places]
    order = np.lexsort((places, -values, row))
    row, places, values = row[order], places[order], values[order]
    starts = np.searchsorted(row, np.arange(len(weights)))
    kept = np.arange(len(row)) - starts[row] < counts[row]
    result = np.zeros_like(weights)
    result.ravel()[places[kept]] = values[kept]
    return result


def _of(weights: Floats, rows: Ints) -> Floats:
    """Return those rows, without a copy where they are the first ones."""
    first = len(rows) and rows[-1] == len(rows) - 1
    return weights[: len(rows)] if first else weights[rows]
