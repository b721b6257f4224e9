"""Read what the files of a run say, without torch; damage is told in a sentence."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backends import UserError
from trainer.locks import in_use
from trainer.runs import Run, readable


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises `UserError` where it holds none."""
    try:
        with readable(path):
            found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as exc:
        raise UserError(f"{path} is damaged: {exc}.") from exc
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged: it holds no JSON object.")
    return found


def read_objects(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects in the lines of a file; nothing where there is no file.

    Half a last line is left out: it is being written, or the run was killed there. Raises
    `UserError` where another line is damaged.
    """
    if not path.exists():
        return
    try:
        with readable(path), path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n"):
                    return
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise UserError(f"{path} is damaged: line {number} holds no JSON object.")
                yield found
    except (ValueError, RecursionError) as exc:
        raise UserError(f"{path} is damaged: {exc}.") from exc


def read_last_state(run: Run) -> dict[str, Any]:
    """The run's state at its last checkpoint, as `checkpoint.State` has it; {} before the first.

    Raises `UserError` where it is damaged.
    """
    if not run.last.exists():
        return {}
    path = run.last / "state.json"
    state = read_object(path)
    for name in ("step", "best_step", "tokens", "seconds"):
        if not isinstance(state.get(name), int | float):
            raise UserError(f"{path} is damaged: its {name!r} is no number.")
    for name in ("train_loss", "best_val_loss"):
        if not isinstance(state.get(name), int | float | None):
            raise UserError(f"{path} is damaged: its {name!r} is no number.")
    if not isinstance(state.get("state"), str):
        raise UserError(f"{path} is damaged: its 'state' is no word.")
    return state


def read_training(run: Run) -> dict[str, Any]:
    """What `about.json` says of the training; {} before it is written.

    Raises `UserError` where it is damaged.
    """
    training = read_object(run.about).get("training") if run.about.exists() else {}
    if not isinstance(training, dict):
        raise UserError(f"{run.about} is damaged: it says nothing of the training.")
    return training


def state_word(run: Run, state: Mapping[str, Any]) -> str:
    """What a run is doing, given its last state: `in use`, `interrupted`, `stopped` or `finished`.

    A run that was killed says that it trains, and nobody works on it.
    """
    if in_use(run):
        return "in use"
    word = state.get("state", "no checkpoint yet")
    return "interrupted" if word == "training" else word


def last_change(run: Run) -> float:
    """When something was last written to the run, in seconds since 1970."""
    parts = (run.path, run.config, run.metrics, run.last)
    return max((time for path in parts if (time := _changed(path))), default=0)


def _changed(path: Path) -> float:
    """When a file was written; 0 where there is none, or nobody may look."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0
