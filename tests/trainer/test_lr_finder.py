import math

import numpy as np
import pytest

from backends import UserError
from trainer.lr_finder import LOWEST, STEPS, propose, range_test, table


class Valley:
    """x² learnt by steps against its slope: the loss breaks out above a rate of 1."""

    def __init__(self, steepness: float) -> None:
        self.x, self.steepness = 1.0, steepness

    def step(self, rate: float) -> float:
        loss = self.steepness * self.x**2
        self.x -= rate * 2 * self.steepness * self.x
        return loss


@pytest.mark.parametrize("steepness", [10.0, 100.0, 1000.0])
def test_the_proposal_learns_and_lies_below_where_the_loss_breaks_out(steepness: float):
    rates, losses = range_test(Valley(steepness).step)
    rate = propose(rates, losses)
    assert 0.001 / steepness < rate < 1 / steepness
    assert len(rates) == len(losses) <= STEPS


def test_the_test_ends_when_the_loss_is_no_number():
    rates, losses = range_test(lambda rate: math.nan if rate > 1e-3 else 1 - rate)
    assert rates[-2] <= 1e-3 < rates[-1]
    assert propose(rates, losses) > LOWEST


def test_where_no_rate_helps_a_sentence_asks_for_one():
    with pytest.raises(UserError, match="give one with --lr"):
        propose(*range_test(lambda rate: 1 + rate))


def test_the_table_shows_both_ends_and_the_proposal():
    rates, losses = np.geomspace(1e-6, 1e-2, 40), np.linspace(5, 3, 40)
    lines = table(rates, losses, 2e-3)
    assert "1.0e-06    5.000  ███" in lines[1]
    assert "1.0e-02    3.000" in lines[-2]
    assert "2.0e-03" in lines[-1]
