"""Decoding speed of exported graphs, measured side by side with the engine that serves them."""

import statistics
import time
from collections.abc import Mapping

import numpy as np

from backends.model_directory import Precision
from backends.onnx_engine.decoder import Decoder

STREAMS = (1, 8)
"""Texts written at once: alone, reading the weights is what takes time; together, computing."""
ROUNDS = 5
STEPS = 8
"""Steps in a round. The first round also warms up; the median leaves it out."""
DEPTH = 128
"""Tokens that each text has already."""


def tokens_per_second(
    decoders: Mapping[Precision, Decoder],
) -> dict[Precision, dict[int, float]]:
    """Return tokens/s of each decoder at 1 and at 8 texts, without sampling.

    Decoders need 8 slots. They take turns, so that a busy machine is busy for all of them; each
    figure is the median of a few rounds.
    """
    rounds = [
        {precision: _round(decoder) for precision, decoder in decoders.items()}
        for _ in range(ROUNDS)
    ]
    return {
        precision: {
            width: statistics.median(one[precision][width] for one in rounds) for width in STREAMS
        }
        for precision in decoders
    }


def _round(decoder: Decoder) -> dict[int, float]:
    depth = min(DEPTH, decoder.sizes.context // 2)
    return {width: _run(decoder, width, depth) for width in STREAMS}


def _run(decoder: Decoder, width: int, depth: int) -> float:
    # Which tokens are read makes no difference to the time, nor do the zeros before them.
    tokens, lengths = np.zeros(width, np.int64), np.full(width, depth)
    start = time.perf_counter()
    for _ in range(STEPS):
        decoder.step(tokens, lengths)
    return width * STEPS / (time.perf_counter() - start)
