import pytest

from trainer.duration import cell, duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.6, "60 s"), (90, "2 min"), (600, "10 min"), (3600, "1 h 00 min"),
     (7500, "2 h 05 min"), (3599, "60 min")],
)  # fmt: skip
def test_a_duration_is_said_in_the_unit_that_suits_it(seconds: float, said: str):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(12345, "12,345"), (2.8285380551309296, "2.829"), (3e-5, "3e-05"), (True, "True"),
     (None, "–"), ("What", "What")],
)  # fmt: skip
def test_a_value_in_a_table_is_short(value: object, said: str):
    assert cell(value) == said
