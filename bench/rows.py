"""What a benchmark finds: rows, as a table and as JSON."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backends.durable import durable_file


@dataclass(frozen=True)
class Row:
    """One comparison: medians of the rounds, and the smallest and largest ratio as `spread`."""

    engine: str
    against: str
    streams: int
    tokens_per_s: float
    against_tokens_per_s: float | None
    """`None` where the ratio is not one of speeds."""
    ratio: float
    spread: tuple[float, float]


def row_of_speeds(
    engine: str, against: str, streams: int, ours: Sequence[float], theirs: Sequence[float]
) -> Row:
    """Return the row of two sides' tokens/s, of which each pair was measured in one round."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return row_of_ratios(engine, against, streams, ours, ratios, statistics.median(theirs))


def row_of_ratios(
    engine: str,
    against: str,
    streams: int,
    ours: Sequence[float],
    ratios: Sequence[float],
    theirs: float | None = None,
) -> Row:
    """Return the row of ratios that were measured themselves, one a round."""
    return Row(
        engine=engine,
        against=against,
        streams=streams,
        tokens_per_s=statistics.median(ours),
        against_tokens_per_s=theirs,
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
    )


def print_table(rows: Sequence[Row]) -> None:
    if not rows:
        return
    print(
        f"{'engine':<20}{'against':<42}{'streams':>8}{'tokens/s':>10}{'against':>10}{'ratio':>8}"
        "  spread"
    )
    for row in rows:
        theirs = "–" if row.against_tokens_per_s is None else f"{row.against_tokens_per_s:.1f}"
        print(
            f"{row.engine:<20}{row.against:<42}{row.streams:>8}{row.tokens_per_s:>10.1f}"
            f"{theirs:>10}{row.ratio:>8.2f}  {row.spread[0]:.2f}–{row.spread[1]:.2f}"
        )
    print(flush=True)


def save_rows(rows: Sequence[Row], target: Path) -> None:
    """Write an object a line."""
    with durable_file(target) as path:
        path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
