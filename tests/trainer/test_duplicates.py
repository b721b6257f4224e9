import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import duplicates
from trainer.duplicates import EXACT, KEPT, NEAR, Found, find

WORDS = [f"word{n}" for n in range(500)]


def story(seed: int, words: int = 300) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def copies(folder: Path, *texts: str) -> list[int]:
    return find(texts, folder).copies.tolist()


def told(found: Found) -> tuple[list[int], list[int]]:
    """Which texts are copies, and of which."""
    assert found.first is not None
    return found.copies.tolist(), found.first.tolist()


def test_the_same_words_in_other_cases_and_spaces_are_a_copy(tmp_path: Path):
    assert copies(tmp_path, "What is it?", "Who?", "what\n IS  it?") == [KEPT, KEPT, EXACT]


def test_other_marks_at_the_ends_of_words_are_nearly_a_copy(tmp_path: Path):
    assert copies(tmp_path, "What is it?", "“What” is it …") == [KEPT, KEPT]
    assert copies(tmp_path, "So what is it?", "So, “what” is it!") == [KEPT, NEAR]


def test_short_texts_that_are_merely_similar_stay(tmp_path: Path):
    alike = [
        "What would you do with one apple?",
        "What would you do with two apples?",
        "What would you do with C++?",
        "What would you do with C#?",
        "Why would you do it with one apple?",
        "Ladies, what was the moment when you knew that he really did love you?",
        "Gentlemen, what was the moment when you knew that he really did love you?",
    ]
    assert copies(tmp_path, *alike) == [KEPT] * 7


def test_a_long_text_with_a_few_words_changed_is_nearly_a_copy_and_with_many_is_not(tmp_path: Path):
    first, few, many = story(1), story(1), story(1)
    few[100] = few[200] = "changed"
    many[::10] = ["changed"] * 30
    assert copies(tmp_path, *(" ".join(words) for words in (first, few, many))) == [
        KEPT,
        NEAR,
        KEPT,
    ]


def test_a_text_of_under_fifty_words_with_one_word_more_stays(tmp_path: Path):
    for seed in range(20):
        words = story(seed, 48)
        assert copies(tmp_path, " ".join(words), " ".join(["Update:", *words])) == [KEPT, KEPT]


def test_the_same_words_in_another_order_are_another_text(tmp_path: Path):
    assert copies(tmp_path, "one two three", "three two one", "two one three") == [KEPT] * 3


def test_a_copy_names_the_text_that_is_kept(tmp_path: Path):
    texts = ["So what is it?", "Who are you?", "so what is it?", "So, what is it?!", "Who are you?"]
    assert told(find(texts, tmp_path))[1] == [0, 1, 0, 0, 1]


def test_texts_of_any_length_and_no_texts_at_all_can_be_searched(tmp_path: Path):
    assert copies(tmp_path) == []
    assert copies(tmp_path, "a", "b c", "d e f", "g h i j", "B c", "...", "日本語") == (
        [KEPT] * 4 + [EXACT] + [KEPT] * 2
    )


@settings(deadline=None)
@given(texts=st.lists(st.text("ab .\n", min_size=1, max_size=6).filter(str.strip), max_size=30))
def test_every_text_is_kept_once_and_the_first_of_its_copies_is(tmp_path_factory, texts: list[str]):
    copied, first = told(find(texts, tmp_path_factory.getbasetemp()))
    seen = set()
    for number, text in enumerate(texts):
        key = " ".join(text.casefold().split())
        assert first[number] <= number
        if copied[number] == EXACT:
            assert key in seen
        elif copied[number] == KEPT:
            assert key not in seen
        seen.add(key)


def test_searching_takes_no_file_with_it(tmp_path: Path):
    find(["one", "two"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_many_batches_find_what_one_would(tmp_path: Path):
    texts = [" ".join(story(seed, 2_000)) for seed in [*range(200), *range(200)]]
    assert copies(tmp_path, *texts) == [KEPT] * 200 + [EXACT] * 200


@settings(deadline=None)
@given(
    numbers=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=60),
    at_once=st.integers(1, 20),
)
def test_hashes_sorted_a_share_at_a_time_tell_the_same_copies(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[tuple[int, bool]], at_once: int
):
    folder = tmp_path_factory.getbasetemp()
    texts = [" ".join(story(n, 60 if long else 5)) + "!" * (n % 3) for n, long in numbers]
    whole = find(texts, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "SORTED_AT_ONCE", at_once)
        patch.setattr(duplicates, "READ_AT_ONCE", at_once)
        shared = find(texts, folder)
    assert told(shared) == told(whole)


def test_a_text_takes_a_few_bytes_of_memory_where_nobody_asks_what_it_is_a_copy_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("WORDS_AT_ONCE", "SORTED_AT_ONCE", "READ_AT_ONCE"):
        monkeypatch.setattr(duplicates, name, 1 << 10)
    number = 60_000
    tracemalloc.start()
    try:
        found = find((f"{n} of them" for n in range(number)), tmp_path, firsts=False)
        assert tracemalloc.get_traced_memory()[1] < 12 * number
    finally:
        tracemalloc.stop()
    assert len(found.copies) == number
    assert found.first is None


def test_few_texts_of_many_characters_are_a_batch_though_they_have_no_spaces(tmp_path: Path):
    long = "日本語" * 20_000
    tracemalloc.start()
    try:
        found = find((f"{long}{n % 290}" for n in range(300)), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 300 * len(long)  # two bytes a character
    finally:
        tracemalloc.stop()
    assert found.copies.tolist() == [KEPT] * 290 + [EXACT] * 10
