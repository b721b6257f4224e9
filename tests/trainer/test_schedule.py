import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.schedule import Budget, learning_rate


def test_a_budget_of_steps_counts_steps_and_one_of_minutes_the_time():
    assert Budget(steps=10).progress(step=5, seconds=1e9) == 0.5
    assert Budget(minutes=2).progress(step=10**9, seconds=60) == 0.5
    assert Budget(minutes=2).progress(step=0, seconds=500) == 1


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    budget = Budget(steps=1000)
    rates = [learning_rate(1.0, budget, step, step / 1000) for step in range(1001)]
    top = rates.index(max(rates))
    assert 40 <= top <= 60
    assert rates[top] == pytest.approx(1.0, abs=0.01)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.0)


@given(steps=st.integers(1, 10**6), share=st.floats(0, 1))
def test_the_rate_is_never_above_its_peak_nor_below_nothing(steps: int, share: float):
    assert 0 <= learning_rate(0.01, Budget(steps=steps), int(share * steps), share) <= 0.01
