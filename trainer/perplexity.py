"""Perplexity of an exported model on held-out tokens, measured with the engine that serves it."""

import math

import numpy as np
from numpy.typing import NDArray

from backends.onnx_engine.decoder import Decoder

WORK = 1e12
"""Parameters times tokens that a measurement may take: seconds for a small model."""
MOST_TOKENS = 65_536


def perplexity(decoder: Decoder, tokens: NDArray[np.integer]) -> float:
    """Return exp of the mean negative log-likelihood of each token given those before it.

    Tokens (N,) are cut into windows of the context; at most as many are read as takes seconds.
    """
    limit = max(256, int(min(MOST_TOKENS, WORK / decoder.sizes.parameters)))
    chosen = np.asarray(tokens[:limit], np.int64)
    loss, count = 0.0, 0
    for start in range(0, len(chosen) - 1, decoder.sizes.context):
        window = chosen[start : start + decoder.sizes.context + 1]
        logits = decoder.score(window[:-1])
        loss += float(_losses(logits, window[1:]).sum())
        count += len(window) - 1
    return math.exp(loss / count)


def _losses(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the negative log-likelihoods (T,) of targets (T,) under logits (T, vocabulary)."""
    highest = logits.max(axis=1)
    total = np.log(np.exp(logits - highest[:, None]).sum(axis=1)) + highest
    return total - logits[np.arange(len(targets)), targets]
