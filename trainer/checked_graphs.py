"""Build a checkpoint's graphs, hold fp32 against PyTorch, and measure what int8 costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends import UserError
from backends.model_directory import GRAPH, Precision
from backends.onnx_engine.decoder import Decoder
from trainer.graph import build_graph, save_graph
from trainer.perplexity import perplexity
from trainer.source import Reference, Source

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
PARITY_PROMPTS = 4


@dataclass(frozen=True)
class Figures:
    """The graphs of one checkpoint by precision, each alone in its folder, and their quality."""

    graphs: Mapping[Precision, Path]
    parity: dict[str, float]
    perplexity: Mapping[Precision, float]

    def sizes(self) -> dict[Precision, int]:
        """Return the bytes of each graph on the disk."""
        return {
            precision: sum(file.stat().st_size for file in graph.parent.iterdir())
            for precision, graph in self.graphs.items()
        }


def build_checked(
    source: Source, scratch: Path, validation: NDArray[np.integer] | None, tolerance: float
) -> Figures:
    """Build both graphs below `scratch`. Raises `UserError` with the figures where parity fails."""
    graphs: dict[Precision, Path] = {}
    figures: dict[Precision, float] = {}
    parity: dict[str, float] = {}
    for precision in PRECISIONS:
        graphs[precision] = scratch / precision / GRAPH
        graphs[precision].parent.mkdir()
        save_graph(build_graph(source.weights, source.sizes, precision), graphs[precision])
        decoder = Decoder(graphs[precision], source.sizes, slots=2, threads=0)
        if precision == "fp32" and source.reference is not None:
            parity = check_parity(decoder, source.reference, tolerance)
        if validation is not None and len(validation) > 1:
            figures[precision] = perplexity(decoder, validation, source.end_token)
    return Figures(graphs, parity, figures)


def check_parity(decoder: Decoder, reference: Reference, tolerance: float) -> dict[str, float]:
    """Return the largest difference of a logit from PyTorch's, read at once and token by token.

    The prompts are random tokens, a fixed few. Raises `UserError` with both figures where one
    exceeds `tolerance`.
    """
    sizes, worst = decoder.sizes, {"prefill": 0.0, "decode": 0.0}
    random = np.random.default_rng(0)
    for _ in range(PARITY_PROMPTS):
        length = int(random.integers(2, min(sizes.context, 96), endpoint=True))
        tokens = random.integers(0, sizes.vocabulary, length)
        expected = reference(tokens)
        differences = {
            "prefill": decoder.score(tokens) - expected,
            "decode": _decoded(decoder, tokens) - expected[length // 2 :],
        }
        for kind, difference in differences.items():
            worst[kind] = max(worst[kind], float(np.abs(difference).max()))
    if not max(worst.values()) <= tolerance:
        raise UserError(
            "The exported graph does not match PyTorch: its logits differ by up to "
            f"{worst['prefill']:.2g} when reading and {worst['decode']:.2g} when decoding "
            f"(allowed: {tolerance:.2g}). Nothing was written."
        )
    return worst


def _decoded(decoder: Decoder, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the logits after the second half of `tokens`, read one by one behind the first.

    The row runs beside a neighbour at another length, as it does when texts are served together.
    """
    half = len(tokens) // 2
    decoder.prefill(0, tokens[: max(half - 1, 1)])
    decoder.prefill(1, tokens[:half])
    rows: list[NDArray[np.float32]] = []
    for position in range(half, len(tokens)):
        pair = tokens[[position - 1, position]]
        lengths = np.array([max(position - 1, 0), position])
        rows.append(decoder.step(pair, lengths)[1].copy())
    return np.stack(rows)
