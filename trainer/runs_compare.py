"""`python -m trainer runs compare`: runs side by side, their losses measured at the same place."""

import argparse
import filecmp
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backends import UserError
from trainer.curves import AXES, draw_picture, draw_text, terminal_width, validation_curve
from trainer.duration import cell
from trainer.metrics import Row, read_metrics
from trainer.run_files import read_last_state, state_word
from trainer.runs import Run, find_run, readable
from trainer.settings import read_settings

HELP = "put runs side by side: settings that differ, losses, curves"
NOT_COMPARABLE = (
    "These runs hold out different texts, or cut them into other tokens: their losses cannot be "
    "compared.\n"
)


@dataclass(frozen=True)
class Compared:
    """What is compared of one run."""

    run: Run
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    state: Mapping[str, Any]


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="two runs or more")
    parser.add_argument("--by", choices=AXES, default="step", help="what the curves run along")
    parser.add_argument("--png", type=Path, metavar="FILE", help="also write the curves as PNG")
    parser.set_defaults(run=compare)


def compare(arguments: argparse.Namespace) -> int:
    """Run the command; raises `UserError` where a run is missing or damaged."""
    names = list(dict.fromkeys(arguments.names))
    if len(names) < 2:
        raise UserError("Give the names of two runs or more: `python -m trainer runs` lists them.")
    runs = [_read(find_run(arguments.runs_dir, name)) for name in names]
    same_text = _same_text(runs)
    if arguments.json:
        facts = {"comparable": same_text, "runs": [_facts(one, runs) for one in runs]}
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_table(runs))
    curves = [validation_curve(one.run.name, one.rows, arguments.by) for one in runs]
    if not arguments.json and (drawn := draw_text(curves, arguments.by, width=terminal_width())):
        sys.stdout.write(f"\nvalidation loss\n{drawn}")
    if arguments.png:
        draw_picture(curves, arguments.by, arguments.png, "validation loss")
    if not same_text:
        sys.stderr.write(NOT_COMPARABLE)
    return 0


def _read(run: Run) -> Compared:
    with readable(run.path):
        settings = asdict(read_settings(run.config))
        return Compared(run, settings, read_metrics(run), read_last_state(run))


def _same_text(runs: Sequence[Compared]) -> bool:
    """Whether the losses of all runs are measured on the same tokens."""
    first, *others = (one.run.validation for one in runs)
    try:
        return all(filecmp.cmp(first, other, shallow=False) for other in others)
    except OSError as exc:
        raise UserError(f"The held-out texts cannot be read: {exc}.") from exc


def _differing(runs: Sequence[Compared]) -> list[str]:
    """The settings that are not the same in all runs."""
    first, *others = (one.settings for one in runs)
    return [key for key in first if any(other[key] != first[key] for other in others)]


def shared_ends(runs: Sequence[Sequence[Row]]) -> dict[str, float]:
    """For each axis, the furthest place at which all runs have been measured."""
    measured = [[row for row in rows if row.val_loss is not None] for rows in runs]
    if not all(measured):
        return {}
    return {axis: min(getattr(rows[-1], axis) for rows in measured) for axis in AXES}


def lowest(rows: Sequence[Row], axis: str, end: float) -> float | None:
    """The lowest validation loss up to a place on an axis; `None` where none was measured yet."""
    losses = [
        row.val_loss for row in rows if row.val_loss is not None and getattr(row, axis) <= end
    ]
    return min(losses, default=None)


def _facts(one: Compared, runs: Sequence[Compared]) -> dict[str, Any]:
    """What `--json` prints of a run."""
    ends = shared_ends([each.rows for each in runs])
    last = one.rows[-1] if one.rows else None
    return {
        "name": one.run.name,
        "state": state_word(one.run, one.state),
        "settings": {key: one.settings[key] for key in _differing(runs)},
        "steps": last.step if last else 0,
        "tokens": last.tokens if last else 0,
        "minutes": last.minutes if last else 0.0,
        "best_val_loss": one.state.get("best_val_loss"),
        "best_step": one.state.get("best_step"),
        "lowest_val_loss": [
            {"by": axis, "end": end, "val_loss": lowest(one.rows, axis, end)}
            for axis, end in ends.items()
        ],
    }


def _table(runs: Sequence[Compared]) -> str:
    """A column for each run, a row for each thing that is compared."""
    facts = [_facts(one, runs) for one in runs]
    rows = [["", *(each["name"] for each in facts)]]
    rows += [
        [name, *(cell(each["settings"][name]) for each in facts)] for name in facts[0]["settings"]
    ]
    rows += [
        [name.replace("_", " "), *(cell(each[name]) for each in facts)]
        for name in ("state", "steps", "tokens", "minutes", "best_step", "best_val_loss")
    ]
    for place, equal in enumerate(facts[0]["lowest_val_loss"]):
        label = f"by {cell(equal['end'])} {equal['by'].replace('step', 'steps')}"
        losses = (each["lowest_val_loss"][place]["val_loss"] for each in facts)
        rows.append([f"  {label}", *map(cell, losses)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )
