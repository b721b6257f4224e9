"""Perplexity of an exported model on held-out tokens, measured with the engine that serves it."""

import math

import numpy as np
from numpy.typing import NDArray

from backends.onnx_engine.decoder import Decoder
from trainer.windows import stretches

WORK = 1e12
"""Parameters times tokens that a measurement may take: seconds for a small model."""
MOST_TOKENS = 65_536
MOST_LOSS = 700.0
"""Nats a token, whose exponential can still be written as a number; NaN is not below it, either."""
WINDOW = 1024
"""Tokens of a text that are read at most."""
PIECE = 256
"""Tokens read at once: their logits for a whole vocabulary lie in memory together."""


def perplexity(decoder: Decoder, tokens: NDArray[np.integer], end_token: int) -> float:
    """Return exp of the mean negative log-likelihood of each token given those before it.

    Each text of the tokens (N,) is read alone, or cut where training cuts it. At most as many
    tokens are read as takes seconds. Where numbers overflow it is infinite.
    """
    limit = max(256, int(min(MOST_TOKENS, WORK / decoder.sizes.parameters)))
    chosen = np.asarray(tokens[:limit], np.int64)
    length = min(decoder.sizes.context, WINDOW, len(chosen) - 1)
    loss, count = 0.0, 0
    for inputs, targets in stretches(chosen, length, end_token):
        for start in range(0, len(inputs), PIECE):
            piece = slice(start, start + PIECE)
            logits = decoder.score(inputs[piece], start=start)
            loss += float(_losses(logits, targets[piece]).sum())
        count += len(targets)
    mean = loss / count
    return math.exp(mean) if mean < MOST_LOSS else math.inf


def _losses(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the negative log-likelihoods (T,) of targets (T,) under logits (T, vocabulary)."""
    highest = logits.max(axis=1)
    total = np.log(np.exp(logits - highest[:, None]).sum(axis=1)) + highest
    return total - logits[np.arange(len(targets)), targets]
