"""What `originality` and `evaluate` share: a model's texts, texts of people, and how they are told.

A figure alone says little: of people's texts, too, some begin like others. So each stands beside
the same figure of texts that people wrote and the model never saw.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backends import UserError
from backends.durable import durable_file
from backends.model_directory import change_card, read_card
from backends.word_index import WORD
from trainer.generate import Written, add_model, add_sampling, make_prompt, model_asked, write_many
from trainer.originality.documents import pieces
from trainer.originality.measure import held_out_texts
from trainer.runs import Run, find_run
from trainer.settings import Settings
from trainer.texts import Texts

TEXTS = 200
"""Texts that are written unless another number is asked for."""
MOST_CHARACTERS = 60_000_000
"""Of a file of texts this much is read."""


@dataclass(frozen=True)
class Row:
    """A line of a table: a figure of the model's texts, and of people's where there are any."""

    label: str
    model: float | None = None
    people: float | None = None
    share: bool = False
    """Whether 1 is shown as 100 %."""

    def shown(self, width: int) -> str:
        """Return the line with a label of so many characters."""
        return f"{self.label:<{width}}{self._show(self.model)}{self._show(self.people)}".rstrip()

    def _show(self, value: float | None) -> str:
        if value is None:
            return " " * 10
        if self.share:
            return f"{100 * value:>8.1f} %"
        return f"{value:>10,}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what both commands take."""
    add_model(parser)
    parser.add_argument("--n", type=int, default=TEXTS, help=f"texts to write (default {TEXTS})")
    add_sampling(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object with all figures")
    parser.add_argument(
        "--write-card",
        action="store_true",
        help="note the figures on the model's card, and for later exports in the run",
    )


def run_asked(arguments: argparse.Namespace) -> Run | None:
    """Return the run of `--run`, if that was given. Raises `UserError` where there is none."""
    name = arguments.run_name
    return find_run(arguments.runs_dir, name) if name else None


def write_asked(arguments: argparse.Namespace) -> list[Written]:
    """Write as many texts as were asked for, as they were asked for. Raises `UserError`."""
    if arguments.n < 1:
        raise UserError(f"--n must be at least 1, not {arguments.n}.")
    model = model_asked(arguments)
    prompt = make_prompt(arguments, read_card(model).defaults)
    return write_many(model, prompt, arguments.n)


def people_beside(run: Run | None, file: Path | None, like: Sequence[str], count: int) -> list[str]:
    """Return at most `count` held-out texts: of a file, or of the run.

    Longer ones than the longest of the texts that they are to be `like` are cut to its length.
    Raises `UserError` where those have no words: there is nothing to measure then.
    """
    longest = max(len(WORD.findall(text)) for text in like)
    if not longest:
        raise UserError(f"There is no word in {len(like):,} texts: there is nothing to measure.")
    held_out = read_texts(file) if file else held_out_texts(run) if run else []
    people = pieces(held_out, longest, count)
    if not people:
        sys.stderr.write("There are no held-out texts of people to compare with.\n")
    return people


def read_texts(path: Path) -> list[str]:
    """Read a file of texts as `finetune` does; of a large one the beginning."""
    texts, characters = [], 0
    for text in Texts.of(Settings(str(path), model="")):
        texts.append(text)
        characters += len(text)
        if characters > MOST_CHARACTERS:
            sys.stderr.write(f"{path} is large: its first {len(texts):,} texts are taken.\n")
            break
    return texts


def table(title: str, rows: Iterable[Row]) -> str:
    """Return a table for people to read."""
    lines = list(rows)
    width = max(len(row.label) for row in lines) + 2
    heading = f"{'':<{width}}{'model':>10}"
    if any(row.people is not None for row in lines):
        heading += f"{'people':>10}"
    return "\n".join([title, "", heading, *(row.shown(width) for row in lines), ""])


def write_card(
    arguments: argparse.Namespace,
    run: Run | None,
    key: Literal["originality", "evaluation"],
    figures: Mapping[str, object],
) -> None:
    """Note figures where exports of the run find them, and on the card of the model that wrote."""
    if run:
        facts = json.loads(run.about.read_text(encoding="utf-8")) if run.about.is_file() else {}
        with durable_file(run.about) as path:
            told = json.dumps({**facts, key: figures}, indent=2, ensure_ascii=False)
            path.write_text(told, encoding="utf-8")
    change_card(model_asked(arguments), **{key: figures})
