"""`python -m trainer runs show`: all that is known of one run, with its curve and last samples."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from backends import BackendError
from backends.model_directory import Card, list_models, read_card
from trainer.curves import draw_text, run_curves, terminal_width
from trainer.duration import cell, duration
from trainer.metrics import read_metrics
from trainer.run_files import last_change, read_last_state, read_object, read_training, state_word
from trainer.runs import Run, find_run, readable
from trainer.samples import last_samples, shown
from trainer.settings import Settings, read_settings

HELP = "show a run's data, settings, losses, curve and last samples, and where its model is"

SAME = ("command", "steps", "val_loss")
"""What a model's card repeats of the training that it came from."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", metavar="NAME")
    models = Path("models")
    parser.add_argument("--models-dir", type=Path, default=models, help="where models lie (models)")
    parser.set_defaults(run=show_run)


def show_run(arguments: argparse.Namespace) -> int:
    """Run the command; raises `UserError` where the run is missing or damaged."""
    run = find_run(arguments.runs_dir, arguments.name)
    with readable(run.path):
        facts = run_facts(run, arguments.models_dir)
        curves = run_curves(read_metrics(run))
    if arguments.json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    else:
        curve = draw_text(curves, "step", width=terminal_width())
        parts = (_heading(facts), *_tables(facts), curve, _samples(facts["samples"]))
        sys.stdout.write("\n".join(part for part in parts if part))
    return 0


def run_facts(run: Run, models: Path) -> dict[str, Any]:
    """What `--json` prints. Raises `UserError` where a file of the run is damaged."""
    state = read_last_state(run)
    training = read_training(run)
    return {
        "name": run.name,
        "path": str(run.path),
        "age_s": round(time.time() - last_change(run)),
        "state": state_word(run, state),
        "settings": asdict(read_settings(run.config)),
        "data": read_object(run.manifest) if run.manifest.exists() else {},
        "training": training | _stand(state),
        "exported": [_model(path, card) for path, card in _exported(training, models)],
        "samples": last_samples(run),
    }


def _stand(state: Mapping[str, Any]) -> dict[str, Any]:
    """What `about.json` says of the training, as it stands at the last checkpoint."""
    if not state:
        return {}
    return {
        "steps": state["step"],
        "best_step": state["best_step"],
        "tokens": state["tokens"],
        "minutes": round(state["seconds"] / 60, 1),
        "train_loss": state.get("train_loss"),
        "val_loss": state.get("best_val_loss"),
    }


def _exported(training: Mapping[str, Any], models: Path) -> Iterator[tuple[Path, Card]]:
    """The model directories under `models` that this very training made."""
    for name in list_models(models):
        try:
            card = read_card(models / name)
        except BackendError:
            continue  # the bot says what is wrong with it
        if training and all(card.training.get(key) == training.get(key) for key in SAME):
            yield models / name, card


def _model(path: Path, card: Card) -> dict[str, Any]:
    perplexity = card.perplexity.get(card.precision)
    return {"path": str(path), "precision": card.precision, "perplexity": perplexity}


def _heading(facts: Mapping[str, Any]) -> str:
    """What one asks first: how far it is, how good, and where the model is."""
    training = facts["training"]
    steps = f"{cell(training.get('steps', 0))} steps"
    lines = [f"{facts['name']}: {facts['state']}, {steps}, {duration(facts['age_s'])} ago"]
    if training.get("val_loss") is not None:
        best = f"{_loss(training['val_loss'])} at step {cell(training.get('best_step'))}"
        last = _loss(training.get("train_loss"))
        lines.append(f"lowest validation loss {best}; training loss {last}")
    for model in facts["exported"]:
        quality = f", perplexity {model['perplexity']:.3f}" if model["perplexity"] else ""
        lines.append(f"exported to {model['path']} ({model['precision']}{quality})")
    return "\n".join(lines) + "\n"


def _loss(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else cell(value)


def _tables(facts: Mapping[str, Any]) -> Iterator[str]:
    """Data, training and settings; of the settings those that are not the usual ones."""
    usual = {field.name: field.default for field in fields(Settings)}
    chosen = {key: value for key, value in facts["settings"].items() if value != usual[key]}
    for title, table in (
        ("data", facts["data"]), ("training", facts["training"]), ("settings", chosen)
    ):  # fmt: skip
        lines = ((key, _said(value)) for key, value in table.items())
        rows = [f"  {key:<20}{said}\n" for key, said in lines if said]
        yield f"{title}\n{''.join(rows)}" if rows else ""


def _said(value: object) -> str:
    """A value in one line: a table of counts as `21 duplicates, 1 blank`; nothing of other ones."""
    if value is None or isinstance(value, list):
        return ""
    if isinstance(value, dict):
        counts = all(isinstance(count, int) for count in value.values())
        return ", ".join(f"{cell(count)} {key}" for key, count in value.items()) if counts else ""
    return cell(value)


def _samples(samples: list[dict[str, Any]]) -> str:
    if not samples:
        return ""
    texts = (shown(sample) + "\n" for sample in samples)
    return f"samples of step {cell(samples[0].get('step'))}\n{''.join(texts)}"
