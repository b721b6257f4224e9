"""Choose the precision to serve from what was measured, and show the measurements."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from backends.model_directory import Card, Precision

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
EXACT: Precision = "fp32"
"""What the others are compared with."""
PERPLEXITY_TOLERANCE = 0.005
"""How much worse than fp32's (as a share) a perplexity may be for `auto` to choose it."""


def choose(
    perplexity: Mapping[Precision, float],
    tokens_per_s: Mapping[Precision, Mapping[int, float]],
    tolerance: float,
) -> Precision:
    """Return the fastest precision whose perplexity is at most the share `tolerance` above fp32's.

    The fastest has the highest geometric mean of the tokens/s of one text and of several at once.
    Where perplexity was not measured, it is fp32.
    """
    if EXACT not in perplexity:
        return EXACT
    chosen, fastest = EXACT, 0.0
    for name in perplexity:
        speed = math.prod(tokens_per_s[name].values())
        if _worse(perplexity, name) <= tolerance and speed > fastest:
            chosen, fastest = name, speed
    return chosen


def table(card: Card, target: Path, tolerance: float = PERPLEXITY_TOLERANCE) -> str:
    """Return what was measured, a line a precision: the chosen one marked, or why it was not taken.

    `tolerance` is that of the choice.
    """
    compared = (
        f"logits within {max(card.parity.values()):.1e} of PyTorch's"
        if card.parity
        else "not compared with PyTorch"
    )
    columns = ("precision", "perplexity", "to fp32", "MB", "tokens/s at 1", "at 8")
    lines = [
        f"{target}: {card.architecture.parameters:,} parameters, {compared}",
        _row(*columns),
        *(_line(card, name, tolerance) for name in card.graph_bytes),
    ]
    if not card.perplexity:
        lines.append("Without held-out text (--data) no precision is compared: auto means fp32.")
    return "\n".join(lines) + "\n"


def _line(card: Card, name: Precision, tolerance: float) -> str:
    figures = ["–", "–"]
    if name in card.perplexity:
        worse = _worse(card.perplexity, name)
        figures = [f"{card.perplexity[name]:.3f}", f"{100 * worse:+.2f} %"]
    speeds = [f"{speed:.1f}" for speed in card.tokens_per_s.get(name, {}).values()] or ["–", "–"]
    row = _row(name, *figures, f"{card.graph_bytes[name] / 1e6:.1f}", *speeds)
    mark = "<- chosen" if name == card.precision else ""
    return "  ".join(part for part in (row, mark, _objection(card, name, tolerance)) if part)


def _row(*cells: str) -> str:
    widths = (-10, 11, 10, 8, 14, 8)
    return " ".join(
        f"{cell:<{-width}}" if width < 0 else f"{cell:>{width}}"
        for cell, width in zip(cells, widths, strict=True)
    )


def _objection(card: Card, name: Precision, tolerance: float) -> str:
    """Return what speaks against a precision, or nothing."""
    if name not in card.tokens_per_s:
        return "cannot run here, not measured"
    if card.perplexity and name not in card.perplexity:
        return "its numbers overflow"
    if card.perplexity and _worse(card.perplexity, name) > tolerance:
        return f"more than {100 * tolerance:.3g} % worse"
    return "" if name == card.precision else "slower"


def _worse(perplexity: Mapping[Precision, float], name: Precision) -> float:
    """Return by which share a perplexity is above fp32's."""
    return perplexity[name] / perplexity[EXACT] - 1
