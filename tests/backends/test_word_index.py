from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import BackendError
from backends.word_index import FILES, SEPARATOR, UNKNOWN, WordIndex, open_word_index, words_of
from trainer.originality.index import build_index, write_index

TEXTS = ["What would you do if you could fly?", "What would you say?", "Why?"]


def test_words_are_compared_without_case_and_what_stands_between_them():
    assert words_of("WHAT's — Straße_9?") == ["what", "s", "strasse", "9"]
    assert words_of("日本語 café") == ["日", "本", "語", "café"]


@given(st.text("aB'9 日ー_é\n"), st.integers(0, 20))
def test_cutting_a_text_cuts_its_last_word_only(text: str, place: int):
    before, whole = words_of(text[:place]), words_of(text)
    assert before[:-1] == whole[: len(before[:-1])]
    if before:
        assert whole[len(before) - 1].startswith(before[-1])


def test_a_run_is_found_in_all_texts_that_have_it():
    index = build_index(TEXTS)
    low, high = index.find(index.numbers(["would", "you"]))
    assert high - low == 2
    assert index.words[index.suffixes[low:high]].tolist() == [index.number("would")] * 2
    low, high = index.find(index.numbers(["you", "would"]))
    assert low == high


def test_a_word_that_no_text_has_ends_every_run():
    index = build_index(TEXTS)
    assert index.number("moon") == index.number("zzz") == index.number("wha") == UNKNOWN
    assert index.longest(index.numbers(["would", "you", "moon"]))[0] == 2
    assert index.find([UNKNOWN, SEPARATOR])[0] == index.find([UNKNOWN])[1]


def saved(folder: Path) -> Path:
    write_index(build_index(TEXTS), folder)
    return folder


@pytest.mark.parametrize("part", FILES)
@pytest.mark.parametrize("kept", [None, 0, 40, -2])
def test_a_file_that_is_missing_or_cut_short_is_told_in_a_sentence(
    part: str, kept: int | None, tmp_path: Path
):
    file = saved(tmp_path) / FILES[part]
    whole = file.read_bytes()
    file.unlink()
    if kept is not None:
        file.write_bytes(whole[:kept])
    with pytest.raises(
        BackendError, match=r"index of the model ask is broken.*--originality-index"
    ):
        open_word_index(tmp_path, "ask")


def test_an_index_of_texts_without_words_is_empty_and_whole(tmp_path: Path):
    write_index(build_index(["?!"]), tmp_path)
    assert open_word_index(tmp_path, "ask").longest([UNKNOWN]) == (0, 0)


def test_a_pickle_is_not_opened(tmp_path: Path):
    np.save(saved(tmp_path) / FILES["words"], np.array([{}], object), allow_pickle=True)
    with pytest.raises(BackendError, match="is broken"):
        open_word_index(tmp_path, "ask")


@pytest.mark.parametrize(
    ("part", "broken", "why"),
    [
        ("suffixes", [99], "leads to places"),
        ("suffixes", [-1], "leads to places"),
        ("words", [99], "words that are not in its list"),
        ("words", [-1], "words that are not in its list"),
        ("offsets", [9], "cut short"),
    ],
)
def test_numbers_that_lead_out_of_the_index_are_refused(part: str, broken: list[int], why: str):
    index = build_index(TEXTS)
    array = getattr(index, part).copy()
    array[: len(broken)] = broken
    setattr(index, part, array)
    with pytest.raises(ValueError, match=why):
        index.check()


def test_parts_of_different_indexes_are_refused():
    one, other = build_index(TEXTS), build_index(TEXTS[:2])
    with pytest.raises(ValueError, match="do not fit together"):
        WordIndex(one.words, other.suffixes, one.letters, one.offsets).check()
    with pytest.raises(ValueError, match="wrong type"):
        WordIndex(one.words.astype(np.int64), one.suffixes, one.letters, one.offsets).check()
    with pytest.raises(ValueError, match="wrong type"):
        WordIndex(one.words, one.suffixes, one.letters, one.offsets.astype(np.int32)).check()
    swapped = one.offsets.copy()
    swapped[[1, 4]] = swapped[[4, 1]]
    with pytest.raises(ValueError, match="its list of words is out of order"):
        WordIndex(one.words, one.suffixes, one.letters, swapped).check()
