"""`python -m trainer originality`: hold what a model writes against what it was trained on."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backends import UserError
from trainer.comparison import (
    Row,
    add_options,
    people_beside,
    read_texts,
    run_asked,
    table,
    write_asked,
    write_card,
)
from trainer.originality.copies import Copied
from trainer.originality.documents import Documents
from trainer.originality.figures import RUNS, Figures, figures_of
from trainer.originality.measure import HELD_OUT, Originality, training_texts
from trainer.written import read_written

EXAMPLE = """\
examples:
  python -m trainer originality --run ask
  python -m trainer originality --run ask --texts written.jsonl --json
  python -m trainer originality --model models/ask --data titles.csv --held-out others.csv
"""
SHOWN = 3
"""Texts that are shown with their sources."""
WIDTH = 160
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Example:
    """A text that copies much."""

    text: str
    run: str
    """Its longest copied run."""
    words: int
    exact: bool
    source: str
    """The training text that the run stands in."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer originality`."""
    parser = subparsers.add_parser(
        "originality",
        help="measure how much of what a model writes is copied",
        description="Write texts and hold each against the training texts, and texts of people "
        "that the model never saw, too.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument(
        "--texts",
        type=Path,
        metavar="FILE",
        help="measure these, written before by generate or gpt-2-simple, instead of new ones",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="the training texts (a run has its own)"
    )
    parser.add_argument(
        "--held-out", type=Path, metavar="FILE", help="texts of people (a run has its own)"
    )
    parser.set_defaults(run=run_originality)


def run_originality(arguments: argparse.Namespace) -> None:
    """Run `python -m trainer originality`. Raises `UserError`."""
    run = run_asked(arguments)
    if run is None and arguments.data is None:
        raise UserError("--model needs --data: the file of texts that it was trained on.")
    learned = read_texts(arguments.data) if run is None or arguments.data else training_texts(run)
    written = (
        read_written(arguments.texts)
        if arguments.texts
        else [text.text for text in write_asked(arguments)]
    )
    people = people_beside(run, arguments.held_out, written, min(len(written), HELD_OUT))
    sys.stderr.write("Indexing the training texts …\n")
    originality = Originality(learned, people)
    copies = [originality.copied(text) for text in written]
    figures, human = figures_of(copies), originality.people
    report = {
        "training_texts": len(learned),
        "model": asdict(figures),
        "people": asdict(human) if human else None,
    }
    if arguments.write_card:
        write_card(arguments, run, "originality", report)
    examples = _most_copied(originality, copies)
    if arguments.json:
        told = {**report, "most_copied": [asdict(example) for example in examples]}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(table(_title(figures, human, learned), _rows(figures, human)))
        sys.stdout.write(_shown(examples))


def _title(figures: Figures, human: Figures | None, learned: Documents | list[str]) -> str:
    beside = f" and {human.texts:,} held-out texts of people" if human else ""
    of = "training texts"
    if isinstance(learned, Documents) and learned.step > 1:
        of += f" (a sample: one of {learned.step})"
    return f"{figures.texts:,} texts{beside}, held against {len(learned):,} {of}"


def _rows(figures: Figures, human: Figures | None) -> list[Row]:
    """Return the table's lines."""

    def row(label: str, value: Callable[[Figures], float], *, share: bool = True) -> Row:
        return Row(label, value(figures), value(human) if human else None, share)

    return [
        row("exact copies", lambda of: of.exact_copies),
        row("near copies", lambda of: of.near_copies),
        Row("longest copied run, share of a text"),
        row("  median", lambda of: of.longest_share_median),
        row("  95th percentile", lambda of: of.longest_share_p95),
        row("longest copied run of all, words", lambda of: of.longest_words, share=False),
        Row("texts with a copied run of"),
        *(row(f"  {n} words", lambda of, n=n: of.with_run[n]) for n in RUNS),
        Row("new among all runs of"),
        *(row(f"  {n} words", lambda of, n=n: of.new_runs[n]) for n in RUNS),
    ]


def _most_copied(originality: Originality, copies: Sequence[Copied]) -> list[Example]:
    """Return the texts with the longest copied runs, each text once."""
    different = {copied.text: copied for copied in copies if copied.longest}
    most = sorted(different.values(), key=lambda copied: -copied.longest)[:SHOWN]
    return [
        Example(copied.text, copied.run, copied.longest, copied.exact, originality.source(copied))
        for copied in most
    ]


def _shown(examples: Sequence[Example]) -> str:
    lines = ["", "most copied:"] if examples else []
    for example in examples:
        what = "the whole text" if example.exact else f"{example.words:,} words"
        lines += [
            f"  {_short(example.text)}",
            f"    copied: {what}{'' if example.exact else ': ' + _short(example.run)}",
            f"    from:   {_short(example.source)}",
        ]
    return "".join(f"{line}\n" for line in lines)


def _short(text: str) -> str:
    """Return a text on one line, its end left out where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else line[:WIDTH] + " …"
