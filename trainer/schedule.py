"""How long to train, and the learning rate on the way."""

import math
from dataclasses import dataclass

WARM_UP = 100
"""Steps in which the learning rate rises from 0, or a twentieth of the run where that is less."""


@dataclass(frozen=True)
class Budget:
    """An end in steps or in minutes of training; exactly one of them is set."""

    steps: int | None = None
    minutes: float | None = None

    def progress(self, step: int, seconds: float) -> float:
        """The share of the run that is done, 0 to 1."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.minutes is not None  # noqa: S101 - the other of the two
        return min(1.0, seconds / (60 * self.minutes))

    @property
    def warm_up(self) -> int:
        """Steps of warm-up."""
        return WARM_UP if self.steps is None else max(1, min(WARM_UP, self.steps // 20))


def learning_rate(peak: float, budget: Budget, step: int, progress: float) -> float:
    """Linear warm-up, then half a cosine from `peak` to 0 (Loshchilov & Hutter 2017)."""
    rise = min(1.0, (step + 1) / budget.warm_up)
    return peak * rise * 0.5 * (1 + math.cos(math.pi * progress))
