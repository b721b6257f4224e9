"""What the card of a run's model will say: `about.json`, written here, read by `export`."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backends.durable import durable_file
from trainer import models
from trainer.checkpoint import State
from trainer.manifest import for_card
from trainer.readers.registry import LONG
from trainer.runs import Run
from trainer.settings import Settings

PUBLISHED_LICENCE = "Modified MIT (OpenAI): say of what it writes that GPT-2 wrote it"
"""Licence of the published weights."""


def write_about(run: Run, settings: Settings, state: State, command_line: Sequence[str]) -> None:
    """Write the facts of a run as its training stands now; the command is the run's first."""
    data = for_card(json.loads(run.manifest.read_text(encoding="utf-8")))
    training: dict[str, object] = {
        "command": _first_command(run) or shlex.join(["python", "-m", "trainer", *command_line]),
        "model": settings.model,
        "seed": settings.seed,
        "steps": state.step,
        "best_step": state.best_step,
        "tokens": state.tokens,
        "minutes": round(state.seconds / 60, 1),
        "train_loss": state.train_loss,
        "val_loss": state.best_val_loss,
    }
    base, licence = _base(settings.model), ""
    if settings.model in models.ALIASES:
        licence = PUBLISHED_LICENCE
    if before := _facts_of_base(settings.model):
        base, licence = before["base"], before["base_licence"]
        training["base"], data["base"] = before["training"], before["data"]
    facts = {
        "training": training,
        "data": data,
        "defaults": {"prefix": settings.prefix} if settings.prefix else {},
        "prepend_end_token": data["kind"] != LONG,
        "base": base,
        "base_licence": licence,
    }
    with durable_file(run.about) as path:
        path.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")


def _first_command(run: Run) -> str | None:
    """The command that began the run, where it was written down before."""
    if not run.about.is_file():
        return None
    return json.loads(run.about.read_text(encoding="utf-8"))["training"]["command"]


def _base(model: str) -> str:
    """The published or local weights that training started from; a fresh model has none."""
    if models.fresh_size(model):
        return ""
    return models.ALIASES.get(model, Path(model).name)


def _facts_of_base(model: str) -> Mapping[str, Any]:
    """What is known of a run whose checkpoint this run started from."""
    about = Run(Path(model).parent.parent).about
    if models.fresh_size(model) or model in models.ALIASES or not about.is_file():
        return {}
    return json.loads(about.read_text(encoding="utf-8"))
