import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backends.onnx_engine.prefix_cache import CHUNK, WORTH_KEEPING, Held, Shelf, best_source


def held(tokens: list[int], canonical: int, row: int = 0) -> Held:
    return Held(row, np.array(tokens), canonical)


def test_all_that_is_alike_is_reused():
    assert held([1, 2, 3, 4], 0).reusable(np.array([1, 2, 9]), exact=False) == 2


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_an_exact_text_reuses_whole_chunks_read_as_it_would_read_them(
    length: int, canonical: int, prompt: int
):
    source = held(list(range(length)), min(canonical, length))
    reused = source.reusable(np.arange(prompt), exact=True)
    assert reused <= min(length, canonical, prompt)
    assert reused % CHUNK == 0 or reused == prompt == min(canonical, length)


def test_the_same_prompt_is_reused_to_its_end():
    assert held([*range(70), 5, 5], 70).reusable(np.arange(70), exact=True) == 70


def test_the_source_that_spares_most_is_taken():
    sources = [held([1, 2, 9, 9], 0, row=3), held([1, 2, 3, 9], 0, row=4), held([9], 0, row=5)]
    found = best_source(sources, np.array([1, 2, 3]), exact=False)
    assert found is not None
    assert (found[0], found[1].row) == (3, 4)
    assert best_source(sources, np.array([7]), exact=False) is None
    assert best_source([], np.array([7]), exact=False) is None


def test_the_text_unused_for_longest_makes_way():
    shelf = Shelf([10, 11])
    texts = [[number] * WORTH_KEEPING for number in range(4)]
    first, second = shelf.place_for(texts[0], 0), shelf.place_for(texts[1], 0)
    assert {first, second} == {10, 11}
    assert first is not None
    shelf.touch(first)
    assert shelf.place_for(texts[2], 0) == second
    assert shelf.place_for(texts[3], 0) == first
    assert {one.tokens[0] for one in shelf} == {2, 3}


def test_short_texts_and_shelves_without_rows_keep_nothing():
    assert Shelf([1]).place_for([1] * (WORTH_KEEPING - 1), 0) is None
    assert Shelf([]).place_for([1] * WORTH_KEEPING, 0) is None
