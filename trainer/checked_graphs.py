"""Build a checkpoint's graphs, hold fp32 against PyTorch, and measure what each precision costs."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends import BackendError, UserError
from backends.model_directory import GRAPH, Precision
from backends.onnx_engine.decoder import Decoder
from backends.onnx_engine.devices import HALF, choose_provider, has_cuda
from trainer.balance import balance
from trainer.choice import EXACT
from trainer.graph import build_graph, save_graph
from trainer.nodes import Weights
from trainer.peaks import observe
from trainer.perplexity import WINDOW, perplexity
from trainer.source import Reference, Source
from trainer.speed import STREAMS, tokens_per_second

WHOLE: tuple[Precision, ...] = ("int8", "int8-block", "int4")
"""What multiplies whole numbers: outliers cost it most, and it is for the CPU."""
PARITY_PROMPTS = 4
CACHE_TOLERANCE = 0.002
"""By this share a cache in int8 alone may raise the perplexity: it is one part of what is lost."""


@dataclass(frozen=True)
class Figures:
    """The graphs of one checkpoint by precision, each alone in its folder, and what was measured.

    A precision that this machine cannot compute has a graph and no figures.
    """

    graphs: Mapping[Precision, Path]
    parity: dict[str, float]
    perplexity: Mapping[Precision, float]
    """Infinite where numbers overflow."""
    tokens_per_s: Mapping[Precision, Mapping[int, float]]
    """Tokens/s of decoding, by how many texts are written at once."""

    def sizes(self) -> dict[Precision, int]:
        """Return the bytes of each graph on the disk."""
        return {
            precision: sum(file.stat().st_size for file in graph.parent.iterdir())
            for precision, graph in self.graphs.items()
        }


def candidates(validation: NDArray[np.integer] | None) -> tuple[Precision, ...]:
    """Return what is worth building to choose from: 16 bits pay on CUDA only."""
    if not _is_enough(validation):
        return ()
    return (*WHOLE, *HALF) if has_cuda() else WHOLE


def _is_enough(validation: NDArray[np.integer] | None) -> bool:
    """Tell whether there is a token to predict."""
    return validation is not None and len(validation) > 1


def build_checked(
    source: Source,
    scratch: Path,
    precisions: Iterable[Precision],
    validation: NDArray[np.integer] | None,
    tolerance: float,
) -> Figures:
    """Build fp32's graph and those of `precisions` below `scratch`, check and measure them.

    `validation` (N,) are held-out tokens; without them no perplexity is measured, weights are
    quantised as they are, and keys and values are not.
    Raises `UserError` with the figures where fp32's logits are further than `tolerance` from
    PyTorch's.
    """
    graphs: dict[Precision, Path] = {}
    decoders: dict[Precision, Decoder] = {}
    losses: dict[Precision, float] = {}
    parity: dict[str, float] = {}
    held_out = validation if _is_enough(validation) else None
    ready: tuple[Weights, Weights] | None = None
    for precision in dict.fromkeys((EXACT, *precisions)):
        weights, cache_scales = source.weights, {}
        if precision in WHOLE and held_out is not None:
            ready = ready or _prepare(source, held_out, losses[EXACT], scratch)
            weights, cache_scales = ready
        graphs[precision] = scratch / precision / GRAPH
        graphs[precision].parent.mkdir()
        model = build_graph(weights, source.sizes, precision, cache_scales)
        save_graph(model, graphs[precision])
        if (decoder := _open(graphs[precision], source, precision)) is None:
            continue
        decoders[precision] = decoder
        if precision == EXACT and source.reference is not None:
            parity = check_parity(decoder, source.reference, tolerance)
        if held_out is not None:
            losses[precision] = perplexity(decoder, held_out, source.end_token)
    return Figures(graphs, parity, losses, tokens_per_second(decoders))


def _prepare(
    source: Source, held_out: NDArray[np.integer], exact: float, scratch: Path
) -> tuple[Weights, Weights]:
    """Return weights that are easier to quantise, and the scales of a cache in int8.

    There are none where such a cache alone costs too much of fp32's perplexity, `exact`.
    """
    peaks = observe(source, held_out, scratch)
    scales = peaks.cache_scales()
    save_graph(build_graph(source.weights, source.sizes, EXACT, scales), scratch / GRAPH)
    decoder = _open(scratch / GRAPH, source, EXACT)
    cost = perplexity(decoder, held_out, source.end_token) / exact - 1 if decoder else math.inf
    return balance(source, peaks), scales if cost <= CACHE_TOLERANCE else {}


def _open(graph: Path, source: Source, precision: Precision) -> Decoder | None:
    """Load a graph where it would be served; `None` for a 16-bit one that cannot run here."""
    provider = choose_provider("auto", precision, precision)
    # Nothing longer is read here, and the caches of several graphs lie in memory together.
    sizes = source.sizes.model_copy(update={"context": min(source.sizes.context, WINDOW)})
    try:
        return Decoder(graph, sizes, slots=max(STREAMS), threads=0, provider=provider)
    except BackendError:
        if precision not in HALF:
            raise
        return None


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
        rows.append(decoder.step(pair, lengths).logits[np.array([1])][0])
    return np.stack(rows)
