"""Sort all suffixes of a list of texts, by prefix doubling in numpy."""

import numpy as np
from numpy.typing import NDArray

from backends.word_index import SEPARATOR


def suffix_array(words: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the places in `words` (N,) in the order of the words that follow there.

    `words` are numbers, the last being `SEPARATOR`. A suffix counts up to its first separator;
    equal ones stand in the order of their places. In each round twice as many words of every suffix
    are in order (Manber & Myers 1993), so there are as many rounds as the longest run found twice
    has binary digits. Takes about 50 bytes of memory a word.
    """
    separators = np.flatnonzero(words == SEPARATOR)
    ranks = words.astype(np.int64) + len(separators)
    # Each separator is another one, so that no comparison goes on into the next text.
    ranks[separators] = np.arange(len(separators))
    known = 1
    while True:
        keys = ranks * (int(ranks.max()) + 2)
        keys[:-known] += ranks[known:] + 1
        order = np.argsort(keys)
        keys = keys[order]
        ranks[order[0]] = 0
        ranks[order[1:]] = np.cumsum(keys[1:] != keys[:-1])
        if ranks[order[-1]] == len(words) - 1:
            return order.astype(np.int32)
        known *= 2
