"""Run directories: their names, their files, and the list of them."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backends import UserError
from backends.model_directory import NAME, check_name


@dataclass(frozen=True)
class Run:
    """The files of one run."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name, which is its directory's."""
        return self.path.name

    @property
    def config(self) -> Path:
        """The settings, TOML."""
        return self.path / "config.toml"

    @property
    def manifest(self) -> Path:
        """Where the data came from, JSON."""
        return self.path / "data" / "manifest.json"

    @property
    def about(self) -> Path:
        """What the model's card will say, JSON."""
        return self.path / "about.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a logging step."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """One JSON object a sampled text."""
        return self.path / "samples.jsonl"

    @property
    def tokenizer(self) -> Path:
        """The tokenizers library's format."""
        return self.path / "tokenizer.json"

    @property
    def training(self) -> Path:
        """Token ids to learn from, a 1-D array."""
        return self.path / "data" / "train.npy"

    @property
    def validation(self) -> Path:
        """Token ids held out, a 1-D array."""
        return self.path / "data" / "validation.npy"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest validation loss."""
        return self.path / "checkpoints" / "best"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / "checkpoints" / "last"


def find_run(root: Path, name: str) -> Run:
    """The existing run `name` under `root`; raises `UserError` where there is none."""
    run = Run(root / check_name(name))
    if not run.config.is_file():
        raise UserError(f"There is no run {name!r} in {root}: `python -m trainer runs` lists them.")
    return run


def list_runs(root: Path) -> Iterator[Run]:
    """All runs under `root`, by name."""
    if root.is_dir():
        for path in sorted(root.iterdir()):
            if NAME.fullmatch(path.name) and (path / "config.toml").is_file():
                yield Run(path)


def summary(run: Run) -> dict[str, object]:
    """What `runs` shows: name, model, steps, best validation loss, age in seconds, state."""
    from trainer.settings import read_settings

    state = _state(run)
    newest = max(path.stat().st_mtime for path in (run.config, run.metrics) if path.exists())
    return {
        "name": run.name,
        "model": read_settings(run.config).model,
        "steps": state.get("step", 0),
        "best_val_loss": state.get("best_val_loss"),
        "age_s": round(time.time() - newest),
        "state": state.get("state", "no checkpoint yet"),
    }


def _state(run: Run) -> dict[str, object]:
    try:
        return json.loads((run.last / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer runs`."""
    parser = subparsers.add_parser(
        "runs",
        help="list the runs",
        description="List the runs with their steps, best validation loss, age and state.",
        epilog="example: python -m trainer runs --json",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.set_defaults(run=show_runs)


def show_runs(arguments: argparse.Namespace) -> int:
    """Run `python -m trainer runs`."""
    rows = [summary(run) for run in list_runs(arguments.runs_dir)]
    if arguments.json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows)
    elif rows:
        sys.stdout.write(_table(rows))
    else:
        sys.stderr.write(f"There are no runs in {arguments.runs_dir} yet.\n")
    return 0


def _table(rows: list[dict[str, object]]) -> str:
    from trainer.duration import duration

    lines = [f"{'name':<24}{'model':<24}{'steps':>9}{'val loss':>10}{'age':>14}  state"]
    for row in rows:
        loss, age = row["best_val_loss"], row["age_s"]
        shown = f"{loss:.3f}" if isinstance(loss, float) else "–"
        ago = duration(age) if isinstance(age, int) else "–"
        lines.append(
            f"{row['name']:<24}{row['model']:<24}{row['steps']:>9,}{shown:>10}{ago:>14}"
            f"  {row['state']}"
        )
    return "\n".join(lines) + "\n"
