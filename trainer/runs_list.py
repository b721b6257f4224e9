"""`python -m trainer runs list`: a line for each run."""

import argparse
import json
import sys
import time

from backends import UserError
from trainer.duration import duration
from trainer.run_files import last_change, read_last_state, state_word
from trainer.runs import Run, list_runs, readable
from trainer.settings import read_settings

HELP = "list the runs with their steps, lowest validation loss, age and state"


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.set_defaults(run=show_list)


def show_list(arguments: argparse.Namespace) -> int:
    """Run the command; raises `UserError` where the folder cannot be read."""
    rows = [summary(run) for run in list_runs(arguments.runs_dir)]
    if arguments.json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows)
    elif rows:
        sys.stdout.write(_table(rows))
    else:
        sys.stderr.write(f"There are no runs in {arguments.runs_dir} yet.\n")
    return 0


def summary(run: Run) -> dict[str, object]:
    """Name, model, steps, lowest validation loss, age in seconds, and state; or what is damaged."""
    model, state, damage = None, {}, None
    try:
        with readable(run.path):
            model = read_settings(run.config).model
            state = read_last_state(run)
    except UserError as error:
        damage = f"damaged: {error}"
    return {
        "name": run.name,
        "model": model,
        "steps": state.get("step", 0),
        "best_val_loss": state.get("best_val_loss"),
        "age_s": round(time.time() - last_change(run)),
        "state": damage or state_word(run, state),
    }


def _table(rows: list[dict[str, object]]) -> str:
    lines = [f"{'name':<24}{'model':<24}{'steps':>9}{'val loss':>10}{'age':>14}  state"]
    for row in rows:
        loss, age = row["best_val_loss"], row["age_s"]
        shown = f"{loss:.3f}" if isinstance(loss, float) else "–"
        ago = duration(age) if isinstance(age, int) else "–"
        lines.append(
            f"{row['name']:<24}{row['model'] or '–':<24}{row['steps']:>9,}{shown:>10}{ago:>14}"
            f"  {row['state']}"
        )
    return "\n".join(lines) + "\n"
