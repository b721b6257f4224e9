import gzip
import os
from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.readers.reading import read, write
from trainer.readers.data_file import LONGEST_LINE, look

TITLES = "".join(f"What would you do with {n} nice apples?\n" for n in range(30))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b" \n\n\t\n", "is empty"), (b"\xef\xbb\xbf\n", "is empty")],
)
def test_a_file_without_text_is_refused_with_a_sentence(tmp_path: Path, content: bytes, said: str):
    with pytest.raises(UserError, match=said):
        look(write(tmp_path / "a.txt", content))


def test_a_binary_file_has_no_text_but_its_bytes_can_be_looked_at(tmp_path: Path):
    file = look(write(tmp_path / "a.txt", bytes(range(256)) * 9))
    assert (file.encoding, file.head) == ("", "")
    assert file.start.startswith(bytes(range(256)))
    with pytest.raises(UserError, match="is binary"):
        file.text()


def test_an_encoding_can_be_named_and_an_unknown_one_is_refused(tmp_path: Path):
    path = write(tmp_path / "a.txt", "Что это?\nКто это?\n".encode("cp1251"))
    with pytest.raises(UserError, match="--encoding"):
        look(path)
    assert look(path, "cp1251").head == "Что это?\nКто это?\n"
    with pytest.raises(UserError, match="no encoding 'utf-9'"):
        look(path, "utf-9")
    with pytest.raises(UserError, match="not utf-8 text"):
        look(path, "utf-8")


def test_what_is_no_text_encoding_is_no_encoding(tmp_path: Path):
    with pytest.raises(UserError, match="no encoding 'base64'"):
        look(write(tmp_path / "a.txt", TITLES), "base64")


def test_a_missing_file_is_refused_and_a_folder_is_for_readers_to_know(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        look(tmp_path / "none.txt")
    assert look(tmp_path).path.is_dir()


def test_what_is_neither_file_nor_folder_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        look(tmp_path / "pipe")


def test_a_character_cut_by_the_end_of_the_head_does_no_harm(tmp_path: Path):
    for shift in range(4):
        file = look(write(tmp_path / "a.txt", "x" * shift + "🎉" * 70_000))
        assert file.head.strip("x🎉") == ""


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.CSV", ".csv"), ("a.tsv.gz", ".tsv"), ("a.gz", ""), ("a", "")]
)
def test_the_suffix_is_that_of_the_unpacked_file(tmp_path: Path, name: str, suffix: str):
    content = gzip.compress(TITLES.encode()) if name.endswith("gz") else TITLES
    assert look(write(tmp_path / name, content)).suffix == suffix


def test_the_last_line_of_a_head_that_goes_on_is_left_out(tmp_path: Path):
    assert look(write(tmp_path / "a.txt", "one\ntwo")).lines == ["one", "two"]
    assert set(look(write(tmp_path / "a.txt", "abc\n" * 70_000 + "x")).lines) == {"abc"}


def test_a_wrong_byte_far_from_the_head_is_refused_with_a_sentence(tmp_path: Path):
    with pytest.raises(UserError, match="--encoding"):
        read(write(tmp_path / "a.txt", b"What is it?\n" * 40_000 + b"caf\xe9\n"))


def test_a_line_without_end_is_refused_before_it_is_read_whole(tmp_path: Path):
    path = write(tmp_path / "a.txt", "x" * (LONGEST_LINE + 1))
    for kind in ("lines", "csv"):
        with pytest.raises(UserError, match=r"longer than|larger than"):
            read(path, format=kind)
