from pathlib import Path

import pytest

from tests.trainer.readers.reading import chosen, read, write

START, END = "<|startoftext|>", "<|endoftext|>"


@pytest.mark.parametrize("between", ["\n", "", "\n\n"])
def test_markers_are_borders_and_never_text_with_line_ends_between_or_without(
    tmp_path: Path, between: str
):
    path = write(tmp_path / "a.txt", between.join(f"{START}{n}\nand on{END}" for n in range(3)))
    assert chosen(path) == "marked"
    assert [text.strip() for text in read(path)] == ["0\nand on", "1\nand on", "2\nand on"]


def test_texts_with_an_end_marker_only_and_texts_outside_of_markers_are_read(tmp_path: Path):
    path = write(tmp_path / "a.txt", f"One.{END}\nTwo.{END}\nThree.")
    assert chosen(path) == "marked"
    assert [text.strip() for text in read(path)] == ["One.", "Two.", "Three."]


def test_a_text_about_markers_is_not_in_their_form(tmp_path: Path):
    path = write(tmp_path / "a.txt", f"What is {END} for?\nAnd {START}?\n" * 9)
    assert chosen(path) == "lines"
