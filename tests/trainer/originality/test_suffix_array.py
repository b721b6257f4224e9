import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.originality.suffix_array import suffix_array


@given(st.lists(st.integers(0, 3), max_size=60))
def test_the_suffixes_stand_in_the_order_of_their_words(words: list[int]):
    words = [*words, 0]

    def until_separator(place: int) -> tuple[list[int], int]:
        return words[place : words.index(0, place)], place

    got = suffix_array(np.array(words, np.int32)).tolist()
    assert got == sorted(range(len(words)), key=until_separator)
