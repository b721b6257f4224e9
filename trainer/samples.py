"""Texts that a model writes while it trains: `samples.jsonl`, and how they are shown."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backends import UserError
from trainer.run_files import read_objects
from trainer.runs import Run

if TYPE_CHECKING:
    from trainer.originality.measure import Originality

Sample = dict[str, Any]
"""`step` and `text`; and, where it was measured, `COPIED`."""
COPIED = ("copied_words", "copied_share", "people_share")
"""The longest run copied from the training texts: in words, as a share of the text, and the share
that is usual in held-out texts of people."""


def write_samples(run: Run, samples: Sequence[Sample]) -> None:
    """Append samples to the run's `samples.jsonl`."""
    with run.samples.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)


def with_copied(sample: Sample, originality: "Originality") -> Sample:
    """Add the longest run that a sample copies from the training texts, and what people's have."""
    words, share = originality.longest_run(sample["text"])
    people = originality.baseline
    return sample | {
        "copied_words": words,
        "copied_share": round(share, 4),
        "people_share": people and people.median,
    }


def last_samples(run: Run) -> list[Sample]:
    """The samples of the last step that has some, as `samples.jsonl` holds them.

    Raises `UserError` where the file is damaged.
    """
    samples: list[Sample] = []
    for sample in read_objects(run.samples):
        if not isinstance(sample.get("text"), str):
            raise UserError(f"{run.samples} is damaged: a line has no text.")
        if samples and samples[-1].get("step") != sample.get("step"):
            samples.clear()
        samples.append(sample)
    return samples


def shown(sample: Sample) -> str:
    """A sample behind its mark, its further lines indented as far, with what it copies."""
    text = "  » " + sample["text"].strip().replace("\n", "\n    ")
    words, share, people = (sample.get(key) for key in COPIED)
    if not isinstance(words, int) or not isinstance(share, float):
        return text
    beside = f"; people: {100 * people:.0f} %" if isinstance(people, float) else ""
    return f"{text}  (copied: {words} words in a row, {100 * share:.0f} %{beside})"
