"""Philox4x32-10, a counter-based random number generator, for many counters at once.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". A number is a function of its key
and counter alone: there is no state to save, and none to share.
"""

import numpy as np
from numpy.typing import NDArray

UInts = NDArray[np.uint64]

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_ROUNDS = 10


def philox(counter: tuple[UInts, UInts, UInts, UInts], key: tuple[UInts, UInts]) -> list[UInts]:
    """Return four 32-bit words for each counter; all arrays are (B,) with 32-bit values."""
    words, (first, second) = list(counter), key
    for _ in range(_ROUNDS):
        left, right = words[0] * _MULTIPLIERS[0], words[2] * _MULTIPLIERS[1]
        words = [
            (right >> _32) ^ words[1] ^ first,
            right & _LOW,
            (left >> _32) ^ words[3] ^ second,
            left & _LOW,
        ]
        first, second = (first + _WEYL[0]) & _LOW, (second + _WEYL[1]) & _LOW
    return words


def uniform(seeds: UInts, positions: UInts, attempts: UInts) -> NDArray[np.float64]:
    """Return the numbers in [0, 1) that seeds have at a position and an attempt, each (B,)."""
    counter = (positions & _LOW, positions >> _32, attempts, np.zeros_like(attempts))
    high, low, _, _ = philox(counter, (seeds & _LOW, seeds >> _32))
    # 53 bits, as many as a double holds.
    bits = ((high << np.uint64(21)) ^ (low >> np.uint64(11))).astype(np.float64)
    return bits * 2.0**-53
