"""What a run of the benchmarks is told, and how its sides take turns."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.engines import Engine
from bench.random_gpt2 import prompts

REST = 0.3
"""Seconds between two sides: the threads of the one before still spin for a while."""
WARM_UP = 8
"""Tokens that are enough for a side to be ready."""


@dataclass(frozen=True)
class Plan:
    """What all measurements of a run share."""

    checkpoint: Path
    """A Hugging Face directory; what the sides make of it lies beside it."""
    streams: Sequence[int] = (1, 8, 32)
    rounds: int = 5
    new_tokens: int = 128
    warm_up: int = WARM_UP
    """Tokens that each side writes before it is measured."""


Speeds = dict[str, list[float]]
"""Tokens/s by side, one a round."""


def take_turns(plan: Plan, engines: Sequence[Engine], streams: int) -> Speeds:
    """Measure the engines side by side: each in every round, in every place of the order."""
    speeds: Speeds = {engine.name: [] for engine in engines}
    for engine in engines:
        speed(engine, streams, plan.warm_up, seed=0)
    for number in range(plan.rounds):
        first = number % len(engines)
        seed = 1000 * streams + number  # prompts that no engine has seen before
        for engine in (*engines[first:], *engines[:first]):
            time.sleep(REST)
            speeds[engine.name].append(speed(engine, streams, plan.new_tokens, seed))
    return speeds


def speed(engine: Engine, streams: int, new_tokens: int, seed: int) -> float:
    """Return tokens/s, from the prompts as text to the last token."""
    texts = list(islice(prompts(seed), streams))
    return rate(lambda: engine.write(texts, new_tokens, seed))


def rate(work: Callable[[], int]) -> float:
    """Return how much a second of what `work` returns the amount of."""
    start = time.perf_counter()
    amount = work()
    return amount / (time.perf_counter() - start)
