from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.packing import pack


@given(
    row=st.integers(1, 60).flatmap(
        lambda row: st.tuples(st.just(row), st.lists(st.integers(1, row), max_size=200))
    )
)
def test_every_length_has_one_place_and_no_row_is_overfull(row: tuple[int, list[int]]):
    length, sizes = row
    patterns = pack(np.bincount(sizes, minlength=length + 1))
    held = Counter(size for pattern, rows in patterns for size in pattern * rows)
    assert held == Counter(sizes)
    assert all(0 < sum(pattern) <= length and rows > 0 for pattern, rows in patterns)


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=200))
def test_rows_are_those_of_best_fit_decreasing_on_the_lengths_themselves(sizes: list[int]):
    rooms: list[int] = []
    for size in sorted(sizes, reverse=True):
        fitting = [room for room in rooms if room >= size]
        best = min(fitting) if fitting else 30
        if fitting:
            rooms.remove(best)
        rooms.append(best - size)
    patterns = pack(np.bincount(sizes, minlength=31))
    assert sum(rows for _, rows in patterns) == len(rooms)


def test_a_hundred_million_texts_are_packed_at_once():
    histogram = np.zeros(129, np.int64)
    histogram[8:100] = 1_000_000
    patterns = pack(histogram)
    rows = sum(rows for _, rows in patterns)
    tokens = int((histogram * np.arange(129)).sum())
    assert tokens / (rows * 128) > 0.99
