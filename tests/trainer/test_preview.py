from pathlib import Path
from typing import Any

import pytest

from backends import UserError
from tests.trainer.readers.reading import settings, write
from trainer import preview
from trainer.encode import Counts
from trainer.texts import Texts


def shown(path: Path, **more: Any) -> list[str]:
    lines: list[str] = []
    preview.show(Texts.of(settings(path, **more)), lines.append)
    return lines


def reported(counts: Counts, path: Path, **more: Any) -> str:
    lines: list[str] = []
    asked = settings(path, **more)
    preview.report(Texts.of(asked), counts, asked, lines.append)
    return "\n".join(lines)


def test_what_a_file_is_taken_for_is_said_with_its_first_three_texts(tmp_path: Path):
    path = write(
        tmp_path / "a.csv", "id;title\n" + "".join(f"{n};What is {n}?\n" for n in range(9))
    )
    first, *texts = shown(path)
    assert first == (
        f"{path}: csv, utf-8, delimiter ';', header left out, column 'title' "
        "(--column NAME reads another), not id (named .csv)"
    )
    assert texts == [f"  | What is {n}?" for n in range(3)]


def test_an_encoding_that_was_guessed_is_said_with_why(tmp_path: Path):
    path = write(tmp_path / "a.txt", "Who is naïve?\nWho is not?\n".encode("cp1252"))
    assert "cp1252 (it is not UTF-8, and reads well so)" in shown(path)[0]


def test_a_long_text_is_shown_by_its_beginning(tmp_path: Path):
    line = shown(write(tmp_path / "a.txt", "word " * 999))[1]
    assert line == "  | " + "word " * (preview.SHOWN // 5) + " …"


def test_of_many_files_the_first_are_named_and_the_others_counted(tmp_path: Path):
    for number in range(12):
        write(tmp_path / f"{number}.md", f"Page {number}\n\nis this.\n")
    (tmp_path / ".hidden").touch()
    lines = shown(tmp_path)
    assert lines[preview.FILES] == f"… and {12 - preview.FILES} more files"
    assert lines[preview.FILES + 1] == "Not read: 1 hidden files."


def test_a_file_of_nothing_but_dropped_texts_is_refused_with_why(tmp_path: Path):
    with pytest.raises(UserError, match="holds no texts: 2 shorter than 50 characters"):
        shown(write(tmp_path / "a.csv", "one\ntwo\n"), min_length=50)


def test_the_lengths_of_texts_are_told(tmp_path: Path):
    counts = Counts()
    for tokens in [10] * 90 + [50] * 9 + [500]:
        counts.add("word" * tokens, tokens, held=False)
    told = reported(counts, write(tmp_path / "a.csv", "one\ntwo\n"))
    assert "half have at most 10, 95 % at most 50, the longest 500." in told
    assert "0.25 tokens per character" in told
    assert "fits this text badly" not in told


def test_a_vocabulary_that_fits_badly_is_told_with_what_helps(tmp_path: Path):
    path, counts = write(tmp_path / "a.txt", "one\ntwo\n"), Counts()
    counts.add("日本語" * 9, 54, held=False)
    assert "more --vocabulary would help" in reported(counts, path)
    asked = settings(path)
    pretrained = type(asked)(asked.data, "124M")
    lines: list[str] = []
    preview.report(Texts.of(pretrained), counts, pretrained, lines.append)
    assert "2.00 tokens per character" in lines[-1]
    assert "A fresh model learns its own" in lines[-1]
