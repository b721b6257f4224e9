from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models import tiny_tokenizer
from trainer.encode import Counts, TokenFile, encode

TOKENIZER = tiny_tokenizer()
END = 0


def encoded(
    folder: Path, texts: list[str], *, share: float = 0.2, **more: Any
) -> tuple[Counts, np.ndarray, np.ndarray]:
    train, held_out = folder / "train.npy", folder / "validation.npy"
    counts = encode(texts, TOKENIZER, END, train, held_out, share, seed=1, **more)
    return counts, np.load(train, mmap_mode="r"), np.load(held_out, mmap_mode="r")


def decoded(ids: np.ndarray) -> list[str]:
    """The texts between the end tokens."""
    cuts = np.flatnonzero(ids == END)
    return [TOKENIZER.decode(ids[a + 1 : b].tolist()) for a, b in pairwise(cuts)]


@given(texts=st.lists(st.text(min_size=1, max_size=20), max_size=40))
def test_every_text_lands_whole_in_exactly_one_split_between_end_tokens(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
):
    counts, train, held_out = encoded(tmp_path_factory.mktemp("encode"), texts)
    assert sorted(decoded(train) + decoded(held_out)) == sorted(texts)
    assert len(decoded(held_out)) == counts.validation_texts
    assert counts.texts == len(texts)


def test_long_text_has_end_tokens_at_its_ends_only(tmp_path: Path):
    _, train, held_out = encoded(tmp_path, ["What ", "would ", "you ", "do?"] * 5, long=True)
    for ids in (train, held_out):
        assert np.flatnonzero(ids == END).tolist() == [0, len(ids) - 1]


def test_a_text_that_spells_the_end_token_does_not_end_there(tmp_path: Path):
    _, train, held_out = encoded(tmp_path, ["one <|endoftext|> two"] * 10)
    assert decoded(train) + decoded(held_out) == ["one <|endoftext|> two"] * 10


def test_few_texts_are_split_fairly(tmp_path: Path):
    counts, _, held_out = encoded(tmp_path, ["What?"] * 20, share=0.1)
    assert counts.validation_texts == len(decoded(held_out)) == 2


@given(copied=st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_copies_of_a_text_all_fall_into_its_split(
    tmp_path_factory: pytest.TempPathFactory, copied: list[int]
):
    folder = tmp_path_factory.getbasetemp()
    texts = [f"What is {n}?" for n in copied]
    first = np.array([copied.index(n) for n in copied])
    _, train, held_out = encoded(folder, texts, share=0.3, first=first)
    assert not set(decoded(train)) & set(decoded(held_out))
    assert sorted(decoded(train) + decoded(held_out)) == sorted(texts)


@pytest.mark.parametrize(("vocabulary", "width"), [(65_536, 2), (65_537, 4)])
def test_the_array_is_as_narrow_as_the_vocabulary_allows(
    tmp_path: Path, vocabulary: int, width: int
):
    with TokenFile(tmp_path / "a.npy", vocabulary) as file:
        file.append([1, 2])
        file.append([vocabulary - 1])
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert array.tolist() == [1, 2, vocabulary - 1]
    assert array.itemsize == width


def test_covering_is_the_length_that_a_share_of_the_texts_do_not_exceed():
    counts = Counts()
    counts.lengths[[3, 10]] = [99, 1]
    assert counts.covering(0.99) == 3
    assert counts.covering(1.0) == 10
