"""Texts that a model writes while it trains: `samples.jsonl`, and how they are shown."""

import json
from collections.abc import Sequence
from typing import Any

from backends import UserError
from trainer.run_files import read_objects
from trainer.runs import Run


def write_samples(run: Run, step: int, texts: Sequence[str]) -> None:
    """Append the texts of one step to the run's `samples.jsonl`."""
    records = ({"step": step, "text": text} for text in texts)
    with run.samples.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def last_samples(run: Run) -> list[dict[str, Any]]:
    """The samples of the last step that has some, as `samples.jsonl` holds them.

    Raises `UserError` where the file is damaged.
    """
    samples: list[dict[str, Any]] = []
    for sample in read_objects(run.samples):
        if not isinstance(sample.get("text"), str):
            raise UserError(f"{run.samples} is damaged: a line has no text.")
        if samples and samples[-1].get("step") != sample.get("step"):
            samples.clear()
        samples.append(sample)
    return samples


def shown(text: str) -> str:
    """A sample behind its mark, its further lines indented as far."""
    return "  » " + text.strip().replace("\n", "\n    ")
