"""Curves of losses, drawn as a picture and with characters in a terminal."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backends import UserError
from backends.durable import durable_file
from trainer.metrics import Row

COLOURS = ("cyan", "yellow", "magenta", "green", "red", "blue", "white")
"""The terminal's, in the order in which lines take them."""
MARKERS = "ox+*#@%"
"""Tell validation losses apart where there are no colours, in the same order."""
AXES = {"step": "step", "tokens": "tokens trained on", "minutes": "minutes"}
"""What a curve can run along: a field of `Row`, and what the axis is called."""
ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12)
"""What a part of an axis may stand for, times a power of ten."""
LARGEST = 1e12
"""Steps, tokens and losses beyond are damage, and have no place on an axis."""
LABELS = 13
"""Columns that the terminal's losses take, left of a curve."""


@dataclass(frozen=True)
class Curve:
    """One line of a plot: losses over an axis."""

    label: str
    points: Sequence[tuple[float, float]]
    marked: bool
    """Whether the points are few and shown one by one: a validation loss, no training loss."""


def run_curves(rows: Sequence[Row]) -> list[Curve]:
    """The training and the validation loss of one run over its steps."""
    training = [(row.step, row.train_loss) for row in rows]
    return [Curve("training", training, False), validation_curve("validation", rows, "step")]


def validation_curve(label: str, rows: Sequence[Row], axis: str) -> Curve:
    """The validation loss of one run over `axis`, a key of `AXES`."""
    points = [(getattr(row, axis), row.val_loss) for row in rows if row.val_loss is not None]
    return Curve(label, points, True)


def terminal_width() -> int:
    """Columns that a curve takes: the terminal's, 100 at most."""
    return min(100, shutil.get_terminal_size().columns)


def draw_text(curves: Sequence[Curve], axis: str, *, width: int, height: int = 14) -> str:
    """The curves as lines of braille dots, `width` columns wide at most; "" without a point.

    Colours are used where stdout is a terminal and NO_COLOR is not set.
    """
    import plotille

    curves = [drawn for curve in curves if (drawn := _drawable(curve)).points]
    if not curves:
        return ""
    figure = plotille.Figure()
    # The axis has a label every ten columns, and its name stands behind its arrow.
    figure.width = max(20, (width - LABELS - len(axis) - 6) // 10 * 10)
    figure.height = height
    figure.origin = False
    figure.x_label, figure.y_label = axis, "loss"
    furthest = max(x for curve in curves for x, _ in curve.points)
    figure.set_x_limits(min_=0, max_=_end(furthest, figure.width // 10))
    losses = [loss for curve in curves for _, loss in curve.points]
    margin = max(0.05 * (max(losses) - min(losses)), 0.05)
    figure.set_y_limits(min_=min(losses) - margin, max_=max(losses) + margin)
    for kind in (int, float):
        figure.register_label_formatter(kind, _tick)
    for place, curve in enumerate(curves):
        figure.plot(
            *zip(*curve.points, strict=True),
            lc=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)] if curve.marked else None,
            label=curve.label,
        )
    drawn, _, legend = figure.show(legend=True).partition("\n\nLegend:\n-------\n")
    lines = [line.rstrip(" \u2800") for line in drawn.split("\n")]
    return "\n".join([*lines, " " * LABELS + "   ".join(legend.split("\n")), ""])


def _drawable(curve: Curve) -> Curve:
    """Without the points that have no place: a run that fails may measure no number."""
    placed = [point for point in curve.points if all(abs(value) <= LARGEST for value in point)]
    return replace(curve, points=placed)


def _end(furthest: float, parts: int) -> float:
    """Where an axis in so many parts ends: behind `furthest`, and each part a round number."""
    least = max(furthest, 1e-9) / parts
    power = 10.0 ** math.floor(math.log10(least))
    return parts * next(power * digit for digit in ROUND if power * digit > least)


def _tick(val: float, chars: int, delta: float, left: bool = False) -> str:
    """The number `val` at an axis that spans `delta`, padded to `chars` columns."""
    if delta >= 1_000_000:
        shown = f"{val / 1_000_000:,.{0 if delta >= 20_000_000 else 1}f} M"
    else:
        shown = f"{val:,.0f}" if delta >= 20 else f"{val:.2f}"
    return shown.ljust(chars) if left else shown.rjust(chars)


def draw_picture(curves: Sequence[Curve], axis: str, path: Path, title: str) -> None:
    """Write the curves to `path` as PNG, whole or not at all; raises `UserError` where it cannot.

    matplotlib is used without its pyplot, which would keep figures and look for a screen.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes: Any = figure.add_subplot(title=title, xlabel=AXES[axis], ylabel="loss (nats a token)")
    for curve in curves:
        if curve.points:
            axes.plot(
                *zip(*curve.points, strict=True),
                label=curve.label,
                marker="o" if curve.marked else None,
                markersize=3.5,
                linewidth=1.6 if curve.marked else 1,
            )
    axes.xaxis.set_major_formatter("{x:,.0f}" if axis != "minutes" else "{x:,.1f}")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if any(curve.points for curve in curves):
        axes.legend(frameon=False)
    try:
        with durable_file(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120)
    except OSError as exc:
        raise UserError(f"The curve cannot be written to {path}: {exc}.") from exc
