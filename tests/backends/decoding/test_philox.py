import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.decoding.philox import philox, uniform

KNOWN = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
"""Counter, key and result, from the known answers of the authors' Random123 library."""


def words(*values: int) -> tuple[np.ndarray, ...]:
    return tuple(np.array([value], np.uint64) for value in values)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_the_words_are_those_of_the_authors(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
):
    result = philox(words(*counter), words(*key))  # pyright: ignore[reportArgumentType] # 4 and 2
    assert tuple(int(word[0]) for word in result) == expected


def numbers(seeds: list[int], position: int, attempt: int = 0) -> list[float]:
    count = len(seeds)
    return uniform(
        np.array(seeds, np.uint64),
        np.full(count, position, np.uint64),
        np.full(count, attempt, np.uint64),
    ).tolist()


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40), st.integers(0, 2**40))
def test_a_number_does_not_depend_on_those_made_beside_it(seeds: list[int], position: int):
    together = numbers(seeds, position)
    assert together == [numbers([seed], position)[0] for seed in seeds]
    assert all(0 <= number < 1 for number in together)


def test_every_seed_position_and_attempt_has_a_number_of_its_own():
    seeds = [*range(20), 2**32, 2**63]
    found = {
        number
        for position in (*range(20), 2**33)
        for attempt in range(3)
        for number in numbers(seeds, position, attempt)
    }
    assert len(found) == len(seeds) * 21 * 3
