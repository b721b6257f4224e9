"""Run directories: their names, their files, and the list of them."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backends import UserError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def checked_name(name: str, what: str = "run") -> str:
    """Return `name` if it may become a directory's name, else raise `UserError`."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be the name of a {what}: use 1 to 64 small letters, digits, "
            "'.', '_' and '-', beginning with a letter or a digit."
        )
    return name


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
    run = Run(root / checked_name(name))
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

    state = _read_json(run.last / "state.json")
    newest = max(path.stat().st_mtime for path in (run.config, run.metrics) if path.exists())
    return {
        "name": run.name,
        "model": read_settings(run.config).model,
        "steps": state.get("step", 0),
        "best_val_loss": state.get("best_val_loss"),
        "age_s": round(time.time() - newest),
        "state": state.get("state", "no checkpoint yet"),
    }


def _read_json(path: Path) -> dict[str, object]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
