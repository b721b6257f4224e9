"""Decoding speed of the engine beside those that its users could pick instead, in one run.

All continue the same prompts with the same random GPT-2 (`random_gpt2`), on the same cores, with
full sampling. The sides take turns, so that a noisy machine is noisy for all.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, TypeVar

from backends.model_directory import Precision
from bench.engines import Engine
from bench.engines.chinwag import Chinwag
from bench.plan import Plan, take_turns
from bench.random_gpt2 import export
from bench.rows import Row, row_of_speeds

if TYPE_CHECKING:
    from bench.engines.ctranslate import CTranslate

PRECISIONS: tuple[Precision, ...] = ("int8", "int8-block", "fp32")

Side = TypeVar("Side", bound=Engine)


def open_ctranslate(plan: Plan) -> "CTranslate":
    from bench.engines.ctranslate import CTranslate

    return CTranslate(plan.checkpoint)


def open_transformers(plan: Plan) -> Engine:
    from bench.engines.hugging_face import open_transformers

    return open_transformers(plan.checkpoint)


def open_optimum(plan: Plan) -> Engine:
    from bench.engines.hugging_face import open_optimum

    return open_optimum(plan.checkpoint)


OTHERS: Mapping[Callable[[Plan], Engine], int] = {
    open_ctranslate: 1024,
    open_transformers: 8,
    open_optimum: 8,
}
"""What we are compared with, and up to how many streams."""


def measure(plan: Plan) -> list[Row]:
    """Compare at each number of streams."""
    rows: list[Row] = []
    with ExitStack() as stack:
        ours = [
            stack.enter_context(closing(Chinwag(export(plan.checkpoint, each), max(plan.streams))))
            for each in PRECISIONS
        ]
        theirs: list[tuple[Engine, int]] = []
        for opener, most in OTHERS.items():
            if other := open_if_there(opener, plan):
                theirs.append((stack.enter_context(closing(other)), most))
        for streams in plan.streams:
            others = [other for other, most in theirs if streams <= most]
            rows += compare(plan, ours, others, streams)
    return rows


def open_if_there(opener: Callable[[Plan], Side], plan: Plan) -> Side | None:
    """Open a side; where its library is not installed, say so."""
    try:
        return opener(plan)
    except ModuleNotFoundError as error:
        print(f"not measured: {error.name} is not installed (pip install 'chinwag[bench]')")
        return None


def compare(
    plan: Plan, ours: Sequence[Engine], others: Sequence[Engine], streams: int
) -> list[Row]:
    """Return a row for each pair of ours and theirs."""
    speeds = take_turns(plan, [*ours, *others], streams)
    return [
        row_of_speeds(mine.name, other.name, streams, speeds[mine.name], speeds[other.name])
        for mine in ours
        for other in others
    ]
