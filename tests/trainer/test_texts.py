from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.readers.reading import settings, write
from trainer import duplicates
from trainer.settings import Settings
from trainer.texts import Texts


def test_blank_texts_are_dropped_and_counted_anew_each_time(tmp_path: Path):
    texts = Texts.of(settings(write(tmp_path / "a.txt", "one\n\n  \ntwo\n"), format="lines"))
    for _ in range(2):
        assert list(texts) == ["one", "two"]
        assert texts.dropped == {"blank": 2}
        assert texts.parts[0].rows == 2


def test_texts_too_short_and_too_long_are_dropped_and_counted(tmp_path: Path):
    path = write(tmp_path / "a.txt", "one\nthree\nfour\nthirteen\n")
    texts = Texts.of(settings(path, format="lines", min_length=4, max_length=5))
    assert list(texts) == ["three", "four"]
    assert texts.dropped == {
        "shorter than 4 characters": 1,
        "longer than 5 characters": 1,
    }


def test_copies_are_left_out_and_counted_by_how_exact_they_are(tmp_path: Path):
    path = write(tmp_path / "a.txt", "So what is it?\nWho?\nso what is it?\nSo, what is it!\n")
    texts = Texts.of(settings(path, format="lines"))
    texts.copies = duplicates.find(texts, tmp_path).copies
    assert list(texts) == ["So what is it?", "Who?"]
    assert texts.dropped == {"duplicates": 1, "near duplicates": 1}


def test_data_that_grows_while_it_is_read_is_noticed(tmp_path: Path):
    path = write(tmp_path / "a.txt", "one\ntwo\n")
    texts = Texts.of(settings(path, format="lines"))
    texts.copies = duplicates.find(texts, tmp_path).copies
    write(path, "one\ntwo\nthree\n")
    with pytest.raises(UserError, match="changed while it was read"):
        list(texts)


def test_several_long_texts_are_texts_with_borders(tmp_path: Path):
    prose = "It was a dark night and the wind\nblew over the hills.\n\n" * 9
    paths = [str(write(tmp_path / f"{n}.txt", f"{n} {prose}")) for n in range(2)]
    assert Texts.of(settings(tmp_path / "0.txt")).long
    both = Texts.of(Settings(paths, "fresh:tiny"))
    assert not both.long
    assert [text[0] for text in both] == ["0", "1"]
