"""Mixed load: 64 requests that arrive at random and mostly stop early, as in a chat.

Ours takes each request when it comes. CTranslate2 gets them in full batches of 8, in the order in
which they came: its batch takes nobody in until its longest text ends, though texts that end leave.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from backends import Prompt
from bench.engine import open_ctranslate, open_if_there
from bench.engines.chinwag import Chinwag, sampling
from bench.plan import REST, WARM_UP, Plan, speed
from bench.random_gpt2 import export, prompts
from bench.rows import Row, row_of_ratios, row_of_speeds

if TYPE_CHECKING:
    from bench.engines.ctranslate import CTranslate

REQUESTS = 64
RATE = 20.0
"""Requests a second, a Poisson process."""
SHORTEST, LONGEST = 5, 200
MEAN = 40.0
"""Tokens by which a text is longer than the shortest, on average and exponentially distributed."""
SLOTS = 32
BATCH = 8
ROUNDS = 3
"""At most: CTranslate2 takes half a minute for one."""


@dataclass(frozen=True)
class Arrival:
    """A request of the load."""

    after: float
    """Seconds since the beginning."""
    text: str
    length: int
    """Tokens after which the text ends."""


@dataclass(frozen=True)
class Served:
    """What one request saw of our engine, in seconds."""

    free: bool
    """Whether there was a free slot when it came."""
    first: float
    """Until its first text."""
    gaps: list[float]
    """Between its pieces of text: a step each."""


def measure(plan: Plan) -> list[Row]:
    """Return tokens/s against CTranslate2's, and the time to the first token in steps."""
    loads = [arrivals(number, plan.new_tokens) for number in range(min(plan.rounds, ROUNDS))]
    ours: list[tuple[float, float]] = []
    theirs: list[float] = []
    with ExitStack() as stack:
        engine = stack.enter_context(closing(Chinwag(export(plan.checkpoint, "int8"), SLOTS)))
        speed(engine, BATCH, WARM_UP, seed=0)
        if other := open_if_there(open_ctranslate, plan):
            stack.enter_context(closing(other))
            speed(other, BATCH, WARM_UP, seed=0)
        for load in loads:
            time.sleep(REST)
            ours.append(serve(engine, load))
            if other:
                time.sleep(REST)
                theirs.append(serve_in_batches(other, load))
    return _rows(engine.name, ours, theirs)


def _rows(name: str, ours: Sequence[tuple[float, float]], theirs: Sequence[float]) -> list[Row]:
    rates, waits = zip(*ours, strict=True)
    rows = [row_of_ratios(name, "time to first token, in steps", REQUESTS, rates, waits)]
    if theirs:
        against = f"mixed load: CTranslate2 int8 by {BATCH}"
        rows.insert(0, row_of_speeds(name, against, REQUESTS, rates, theirs))
    return rows


def arrivals(seed: int, new_tokens: int) -> list[Arrival]:
    """Return a load; `new_tokens` below the usual 128 make all its texts shorter by as much."""
    draw, texts = random.Random(seed), prompts(seed + 1_000_000)
    factor, now = min(new_tokens / 128, 1), 0.0
    load: list[Arrival] = []
    for _ in range(REQUESTS):
        now += draw.expovariate(RATE)
        length = min(SHORTEST + draw.expovariate(1 / MEAN), LONGEST)
        load.append(Arrival(now, next(texts), max(round(length * factor), SHORTEST)))
    return load


def serve(engine: Chinwag, load: Sequence[Arrival]) -> tuple[float, float]:
    """Return tokens/s, and the median time to first token in steps where slots were free."""
    start = time.perf_counter()
    served = engine.run(_serve(engine, load))
    rate = sum(arrival.length for arrival in load) / (time.perf_counter() - start)
    step = statistics.median(gap for one in served for gap in one.gaps)
    return rate, statistics.median(one.first for one in served if one.free) / step


async def _serve(engine: Chinwag, load: Sequence[Arrival]) -> list[Served]:
    async def one(arrival: Arrival, seed: int) -> Served:
        await asyncio.sleep(arrival.after)
        busy = engine.backend.load()
        times = [time.perf_counter()]
        prompt = Prompt(arrival.text, sampling(arrival.length, seed))
        async for _ in engine.backend.generate(prompt):
            times.append(time.perf_counter())
        gaps = [later - earlier for earlier, later in pairwise(times[1:])]
        return Served(busy.running + busy.waiting < SLOTS, times[1] - times[0], gaps)

    return await asyncio.gather(*(one(arrival, seed) for seed, arrival in enumerate(load)))


def serve_in_batches(other: "CTranslate", load: Sequence[Arrival]) -> float:
    """Return tokens/s of full batches, each begun when its last request has come."""
    start, tokens = time.perf_counter(), 0
    for place in range(0, len(load), BATCH):
        batch = load[place : place + BATCH]
        time.sleep(max(start + batch[-1].after - time.perf_counter(), 0))
        tokens += other.write_up_to([one.text for one in batch], [one.length for one in batch])
    return tokens / (time.perf_counter() - start)
