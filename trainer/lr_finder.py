"""The learning rate range test (Smith 2017, arXiv:1506.01186) on a run's own data and model.

The rate rises a little each step, and the loss first falls and then breaks out. Where it falls
steepest is a good highest rate. The weights learn on the way: open the session anew afterwards.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backends import UserError
from trainer.loop import step_once
from trainer.session import Session

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 80
SMOOTHING = 0.8
"""The share of the mean so far in the next; the loss of a batch is noisy."""
BROKEN = 1.3
"""The test ends where the loss is that many times the lowest."""
SHOWN = 12


def find_rate(session: Session, say: Callable[[str], None]) -> float:
    """Try rates, show the losses, and give the one proposed. Raises `UserError` where none is."""
    session.model.train()
    rates, losses = range_test(lambda lr: step_once(session, lr))
    rate = propose(rates, losses)
    for line in table(rates, losses, rate):
        say(line)
    return rate


def range_test(step: Callable[[float], float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates from `LOWEST` on, each `step`ped with once, and the smoothed losses, until they break.

    `step` takes a rate and gives the loss before it learnt.
    """
    losses: list[float] = []
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    mean = 0.0
    for count, rate in enumerate(rates, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * step(float(rate))
        losses.append(mean / (1 - SMOOTHING**count))
        if not math.isfinite(mean) or losses[-1] > BROKEN * min(losses):
            break
    return rates[: len(losses)], np.array(losses)


def propose(rates: NDArray[np.float64], losses: NDArray[np.float64]) -> float:
    """The rate at which the loss falls steepest, rounded to two digits."""
    falling = losses[: int(np.nanargmin(losses)) + 1]
    if len(falling) < 3:
        raise UserError("No learning rate lowers the loss: give one with --lr.")
    steepest = int(np.argmin(np.gradient(falling)))
    return float(f"{rates[steepest]:.1e}")


def table(rates: NDArray[np.float64], losses: NDArray[np.float64], proposed: float) -> list[str]:
    """Lines that show the losses at about `SHOWN` of the rates, with bars."""
    finite = losses[np.isfinite(losses)]
    low, span = finite.min(), max(float(np.ptp(finite)), 1e-9)
    lines = ["Learning rates, and the loss as they rise:"]
    for index in np.unique(np.linspace(0, len(finite) - 1, SHOWN).round().astype(int)):
        bar = "█" * round(30 * (finite[index] - low) / span)
        lines.append(f"  {rates[index]:8.1e}  {finite[index]:7.3f}  {bar}")
    return [*lines, f"It falls fastest at {proposed:.1e}, which is taken as --lr."]
