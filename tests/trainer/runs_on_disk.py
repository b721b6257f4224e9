"""Runs as they lie on disk, for what only looks at them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from trainer.runs import Run
from trainer.settings import Settings, write_settings

STATE = {
    "step": 40,
    "tokens": 4000,
    "seconds": 90.0,
    "train_loss": 3.0,
    "val_loss": 3.5,
    "best_val_loss": 3.25,
    "best_step": 20,
    "unread_losses": [],
    "state": "finished",
}


def make_run(root: Path, name: str, state: dict[str, Any] | None = None, **settings: Any) -> Run:
    """A run without weights; `state` is written over `STATE`."""
    run = Run(root / name)
    run.last.mkdir(parents=True)
    run.validation.parent.mkdir()
    run.validation.write_bytes(b"tokens")
    write_settings(Settings("a.txt", "fresh:tiny", **settings), run.config)
    (run.last / "state.json").write_text(json.dumps(STATE | (state or {})))
    return run


DEEP = "[" * 200_000 + "\n"
"""JSON that is nested too deeply to be read."""


def _file_for_folder(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("x")


def _folder_for_file(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


DAMAGES: dict[str, Callable[[Run], object]] = {
    "half settings": lambda run: run.config.write_text("model = "),
    "settings of another type": lambda run: run.config.write_text('data = "a"\nmodel = ["b"]'),
    "settings out of bounds": lambda run: run.config.write_text('data = "a"\nmodel = "b"\nlr = 9'),
    "a date for a setting": lambda run: run.config.write_text('data="a"\nmodel="b"\nlr=1979-05-27'),
    "no settings": lambda run: run.config.unlink(),
    "a folder for the settings": lambda run: _folder_for_file(run.config),
    "half a state": lambda run: (run.last / "state.json").write_text('{"step": 4'),
    "no step": lambda run: (run.last / "state.json").write_text('{"tokens": 4}'),
    "a list for a word": lambda run: (run.last / "state.json").write_text(
        json.dumps(STATE | {"state": ["finished"]})
    ),
    "a deep state": lambda run: (run.last / "state.json").write_text(DEEP),
    "a file for a checkpoint": lambda run: _file_for_folder(run.last),
}
"""Ways to damage what every look at a run reads."""
LOG_DAMAGES: dict[str, Callable[[Path], object]] = {
    "half a line": lambda path: path.write_text('{"step":\n{}\n'),
    "no objects": lambda path: path.write_text("[1]\n[2]\n"),
    "deep": lambda path: path.write_text(DEEP),
    "binary": lambda path: path.write_bytes(bytes(range(256)) + b"\n"),
    "a folder": _folder_for_file,
}
"""Ways to damage a file of JSON."""


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Nobody may read or enter `path`; skips the test for root, who may all the same."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


def write_metrics(
    run: Run, losses: Sequence[tuple[float, float | None]], tokens: int = 100
) -> None:
    """Training and validation losses of every tenth step, at 1,000 tokens a minute."""
    rows = (
        {
            "step": 10 * place,
            "tokens": tokens * 10 * place,
            "train_loss": train_loss,
            "val_loss": val_loss,
            "lr": 0.001,
            "tokens_per_s": 1000 / 60,
        }
        for place, (train_loss, val_loss) in enumerate(losses, 1)
    )
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
