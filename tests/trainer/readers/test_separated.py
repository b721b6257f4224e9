from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.readers.reading import chosen, notes, read, write

FORTUNES = "One.\n\tSays who?\n%\nTwo 100%\n%\n\nThree.\n% not alone\n%  \nFour.\n%\n"
STANZAS = "Tiger, tiger,\nburning bright\n\n \nIn the forests\r\n\r\nof the night\n"


def test_lines_of_percent_signs_separate_fortunes(tmp_path: Path):
    path = write(tmp_path / "fortunes", FORTUNES)
    assert chosen(path) == "separated"
    assert [text.strip() for text in read(path)] == [
        "One.\n\tSays who?", "Two 100%", "Three.\n% not alone", "Four.",
    ]  # fmt: skip
    assert "lines of %" in notes(path)


def test_percent_signs_may_be_comments_in_other_files(tmp_path: Path):
    assert chosen(write(tmp_path / "a.tex", FORTUNES)) != "separated"


def test_without_them_blank_lines_do_if_that_was_asked_for(tmp_path: Path):
    path = write(tmp_path / "a.txt", STANZAS)
    assert chosen(path) == "text"
    assert [text.strip() for text in read(path, format="separated")] == [
        "Tiger, tiger,\nburning bright", "In the forests", "of the night",
    ]  # fmt: skip
    assert "blank lines" in notes(path, format="separated")


@pytest.mark.parametrize(("separator", "between"), [("<sep>", "<sep>"), (r"\n--\n", "\n--\n")])
def test_any_string_separates_if_it_was_given(tmp_path: Path, separator: str, between: str):
    path = write(tmp_path / "a.txt", f"One.{between}Two.{between}Three.")
    assert chosen(path, separator=separator) == "separated"
    texts = [text.strip() for text in read(path, separator=separator)]
    assert texts == ["One.", "Two.", "Three."]


def test_a_separator_that_the_text_has_not_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="give another --separator"):
        read(write(tmp_path / "a.txt", FORTUNES), separator="<sep>")
