"""Where a step's time goes: how much of the machine's reading speed it uses, and Python's part."""

import asyncio
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any
from unittest.mock import patch

import onnxruntime

from backends import Prompt, UserError
from backends.model_directory import GRAPH, Precision
from bench.bandwidth import read_bandwidth, weight_bytes
from bench.engines.chinwag import Chinwag, sampling
from bench.plan import WARM_UP, Plan, speed
from bench.random_gpt2 import export, prompts
from bench.rows import Row, row_of_ratios

PRECISIONS: tuple[Precision, ...] = ("int8", "int8-block", "fp32")
STREAMS = 8
"""At which Python's part is measured."""


def measure(plan: Plan) -> list[Row]:
    """Return the shares of the bandwidth at one stream, and Python's share at eight."""
    return [row for precision in PRECISIONS for row in _shares(plan, precision)]


def _shares(plan: Plan, precision: Precision) -> list[Row]:
    directory = export(plan.checkpoint, precision)
    with closing(Chinwag(directory, STREAMS)) as engine:
        speed(engine, STREAMS, WARM_UP, seed=0)
        limits: list[float] = []
        alone: list[Steps] = []
        whole: list[float] = []
        several: list[Steps] = []
        for number in range(plan.rounds):
            limits.append(read_bandwidth() / weight_bytes(directory / GRAPH))
            whole.append(speed(engine, 1, plan.new_tokens, seed=number + 1))
            alone.append(observe(engine, 1, plan.new_tokens, seed=number + 1))
            several.append(observe(engine, STREAMS, plan.new_tokens, seed=number + 1))

    def of_limit(against: str, rates: list[float]) -> Row:
        # A shared machine's bandwidth changes: each rate is held against that of its own round.
        shares = [rate / limit for rate, limit in zip(rates, limits, strict=True)]
        return row_of_ratios(engine.name, against, 1, rates, shares, median(limits))

    return [
        of_limit("read bandwidth", whole),
        of_limit("read bandwidth, from the first piece to the last", [one.rate for one in alone]),
        of_limit("read bandwidth, graph alone", [one.graph_rate for one in alone]),
        row_of_ratios(
            engine.name, "Python's share of a step", STREAMS,
            [one.rate * STREAMS for one in several], [one.outside for one in several],
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """Steps in a row, all with the same texts."""

    rate: float
    """Steps/s."""
    graph_rate: float
    """Steps/s if nothing but the graph took time."""
    outside: float
    """Share of the time in which the graph did not run."""


def observe(engine: Chinwag, streams: int, new_tokens: int, seed: int) -> Steps:
    """Watch the steps from where all texts have begun to where the first one ends.

    Raises `UserError` where that is no two steps.
    """
    with graph_runs() as runs:
        begin, end = engine.run(_window(engine, streams, new_tokens, seed))
    inside = [run for run in runs if begin <= run.start and run.end <= end]
    if len(inside) < 2:
        raise UserError(f"{len(inside)} steps are too few to say: ask for more --new-tokens.")
    # From the start of the first step to that of the last: as many graphs as pauses.
    whole = inside[-1].start - inside[0].start
    steps, busy = len(inside) - 1, sum(run.end - run.start for run in inside[:-1])
    return Steps(steps / whole, steps / busy, 1 - busy / whole)


async def _window(engine: Chinwag, streams: int, new_tokens: int, seed: int) -> tuple[float, float]:
    """Write texts; returns when the last of them had begun and when the first was complete."""

    async def one(text: str, number: int) -> tuple[float, float]:
        times: list[float] = []
        async for _ in engine.backend.generate(Prompt(text, sampling(new_tokens, number))):
            times.append(time.perf_counter())
        return times[0], times[-1]

    texts = islice(prompts(seed), streams)
    times = await asyncio.gather(*(one(text, number) for number, text in enumerate(texts)))
    return max(first for first, _ in times), min(last for _, last in times)


@dataclass(frozen=True)
class Run:
    """When a graph ran, in seconds of the performance counter."""

    start: float
    end: float


@contextmanager
def graph_runs() -> Generator[list[Run]]:
    """Note when ONNX Runtime runs a graph: two looks at the clock a step, nothing else."""
    runs: list[Run] = []
    session_class = onnxruntime.InferenceSession
    original = session_class.run_with_iobinding

    def timed(session: Any, *arguments: Any) -> None:
        start = time.perf_counter()
        original(session, *arguments)
        runs.append(Run(start, time.perf_counter()))

    with patch.object(session_class, original.__name__, timed):
        yield runs
