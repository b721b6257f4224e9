"""The texts that training is measured with: random tokens, as long as titles or as a book."""

import numpy as np
from numpy.typing import NDArray

TITLES, BOOK = 23, 1 << 30
"""Tokens in a text, on average."""


def texts(count: int, mean: int, vocabulary: int) -> NDArray[np.int64]:
    """Return a little more than `count` random tokens as texts of about `mean`.

    The vocabulary's last token, the end, stands around each. Lengths are spread as titles' are: a
    gamma distribution of shape 4.
    """
    random = np.random.default_rng(0)
    tokens = random.integers(vocabulary - 1, size=count + 2)
    lengths = np.maximum(2, random.gamma(4, mean / 4, size=count // 2 + 1)).astype(np.int64)
    ends = np.cumsum(lengths)
    tokens[0] = tokens[-1] = tokens[ends[ends < count]] = vocabulary - 1
    return tokens
