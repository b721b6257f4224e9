"""The page that a model has on the Hugging Face hub: its README.md with facts for the hub."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends import UserError
from trainer import models
from trainer.runs import Run

LICENCES = dict.fromkeys(models.ALIASES, "mit")
"""The hub's words for the licences of published weights; OpenAI's is a modified MIT licence."""


def model_card(run: Run) -> str:
    """What the run's `about.json` says, as Markdown below the hub's YAML.

    The format is that of https://huggingface.co/docs/hub/model-cards. The command is not in it: it
    names files of one's own. Raises `UserError` where the run has no facts.
    """
    try:
        facts = json.loads(run.about.read_text(encoding="utf-8"))
        training, data = facts["training"], facts["data"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UserError(f"{run.about} cannot be read: train the run first.") from exc
    base = facts.get("base") or ""
    head: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["chinwag", "finetuned" if base else "from-scratch"],
    }
    if training["model"] in LICENCES:
        head |= {"license": LICENCES[training["model"]], "base_model": base}
    # JSON is YAML, too.
    yaml = "".join(f"{key}: {json.dumps(value)}\n" for key, value in head.items())
    return f"---\n{yaml}---\n\n" + "\n".join(
        [
            f"# {run.name}",
            "",
            *_made(base, training),
            *_data(data),
            *_measured(facts),
            *_use(base, facts),
        ]
    )


def _made(base: str, training: Mapping[str, Any]) -> list[str]:
    began = f"`{base}`" if base else f"nothing (`{training['model']}`)"
    return [
        f"A language model that writes, made from {began} with chinwag's trainer.",
        "",
        f"- {training['steps']:,} steps, {training['tokens']:,} tokens, seed {training['seed']}; "
        f"the best checkpoint is that of step {training['best_step']:,}",
        f"- loss on held-out text {_number(training['val_loss'])} nats a token, on what it learnt "
        f"from {_number(training['train_loss'])}",
        "",
    ]


def _data(data: Mapping[str, Any]) -> list[str]:
    stated = [
        f"- {what}: {data[key]}"
        for key, what in (("source", "source"), ("licence", "licence"), ("consent", "consent"))
        if data.get(key)
    ]
    return [
        "## Data",
        "",
        f"- {data['rows']:,} texts, {data['training_tokens']:,} tokens to learn from and "
        f"{data['validation_tokens']:,} held out",
        *(stated or ["- neither source nor licence was stated"]),
        "",
    ]


def _measured(facts: Mapping[str, Any]) -> list[str]:
    """Originality and evaluation, where they were measured with `--write-card`."""
    lines: list[str] = []
    for name in ("evaluation", "originality"):
        if found := facts.get(name):
            block = json.dumps(found, indent=1, ensure_ascii=False)
            lines += [f"## {name.capitalize()}", "", "```json", block, "```", ""]
    return lines


def _use(base: str, facts: Mapping[str, Any]) -> list[str]:
    label = [f"Base weights: {facts['base_licence']}."] if facts.get("base_licence") else []
    return [
        "## Use",
        "",
        "It continues text, or writes one from nothing. What it writes is machine-made"
        + (f", by a model made from {base}" if base else "")
        + ": say so where you show it. It is right or kind by chance only, and may repeat what it "
        "has read.",
        *label,
        "",
    ]


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "unknown"


def write_card(run: Run, folder: Path) -> None:
    """Write the card beside a model's files."""
    (folder / "README.md").write_text(model_card(run), encoding="utf-8")
