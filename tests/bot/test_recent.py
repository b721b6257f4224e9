import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.recent import Recent, quantile


def test_the_rate_is_that_of_the_seconds_in_which_it_wrote_in_the_last_minute():
    now = 100.0
    recent = Recent(lambda: now)
    assert recent.tokens_per_second == 0
    for tokens in (20, 10):
        recent.count(tokens)
    now = 130.5
    recent.count(10)
    assert recent.tokens_per_second == pytest.approx(20)
    now = 165.0
    assert recent.tokens_per_second == pytest.approx(10), "the first second is long ago"
    now = 300.0
    assert recent.tokens_per_second == 0


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=50),
    st.sampled_from([0.01, 0.5, 0.95, 1.0]),
)
def test_a_quantile_is_a_value_that_was_seen_and_that_enough_do_not_exceed(
    values: list[float], share: float
):
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values if found is not None) >= share * len(values)


def test_of_nothing_there_is_no_quantile():
    assert quantile([], 0.5) is None
