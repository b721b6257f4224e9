"""Training speed of our loop beside transformers' Trainer, in one run on the same cores or card.

Both get the same model, the same rows of tokens with the same positions, batch, precision and
optimizer, and take turns. On a GPU much more is measured: `training_gpu`.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.engines import cores
from bench.random_gpt2 import Shape, make_checkpoint
from bench.rows import Row, row_of_speeds
from bench.training_sides import Ours, Theirs
from bench.training_texts import BOOK, TITLES, texts


@dataclass(frozen=True)
class Case:
    """A model, its rows and the texts in them."""

    name: str
    shape: Shape
    rows: int
    length: int
    steps: int
    """Steps that are timed in a round, after one that is not."""
    mean: int
    """Tokens in a text, on average."""


SMALL = Shape(layers=6, heads=4, width=256, context=256, vocabulary=4096)
LARGE = Shape(layers=12, heads=12, width=768, context=1024, vocabulary=50257)
CASES = (
    Case("small, titles", SMALL, rows=64, length=128, steps=4, mean=TITLES),
    Case("small, long text", SMALL, rows=32, length=256, steps=4, mean=BOOK),
    Case("124M, titles", LARGE, rows=16, length=128, steps=2, mean=TITLES),
    Case("124M, long text", LARGE, rows=8, length=256, steps=2, mean=BOOK),
)
"""The small model is `fresh:small`."""
QUICK = Case(
    "tiny, titles", Shape(2, 2, 64, 64, 512), rows=4, length=64, steps=2, mean=TITLES
)  # fmt: skip


def measure(cases: tuple[Case, ...], rounds: int) -> list[Row]:
    """Return a row a case."""
    torch.set_num_threads(cores())
    return [_compare(case, rounds) for case in cases]


def _compare(case: Case, rounds: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        checkpoint = make_checkpoint(scratch / "checkpoint", case.shape, flat=True)
        needed = case.rows * case.length * (case.steps + 1) * rounds
        tokens = texts(max(needed, 50_000), case.mean, case.shape.vocabulary)
        ours = Ours(checkpoint, tokens, case.length, case.rows, scratch)
        theirs = Theirs(checkpoint, ours.windows, scratch, bf16=ours.bf16)
        speeds: dict[str, list[float]] = {ours.name: [], theirs.name: []}
        for number in range(rounds):
            for side in (ours, theirs) if number % 2 else (theirs, ours):
                speeds[side.name].append(side.speed(case.steps))
        return row_of_speeds(
            f"{case.name}", theirs.name, case.rows, speeds[ours.name], speeds[theirs.name]
        )  # fmt: skip
