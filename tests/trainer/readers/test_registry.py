from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.readers.reading import chosen, write

TITLES = "".join(f"What would you do with {n}{' nice' * (n % 5) ** 2} apples?\n" for n in range(30))
PROSE = "It was a dark night and the wind\nblew over the hills, while the\nrain came down.\n\n" * 9


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", TITLES, "lines"),
        ("a.txt", TITLES.lower(), "lines"),
        ("a.txt", "yes\nno, never again, i think\nmaybe not\n" * 9, "lines"),
        ("a.txt", PROSE, "text"),
        ("a.txt", PROSE.replace("\n\n", "\n"), "text"),
        ("a.txt", "one single line of text", "text"),
        ("a.csv", TITLES, "csv"),
        ("a.CSV", PROSE, "csv"),
        ("a.tsv", TITLES, "csv"),
    ],
)
def test_the_shape_of_a_file_is_told_from_its_name_and_lines(
    tmp_path: Path, name: str, content: str, kind: str
):
    assert chosen(write(tmp_path / name, content)) == kind


def test_the_user_has_the_last_word_on_the_shape(tmp_path: Path):
    assert chosen(write(tmp_path / "a.txt", TITLES), format="text") == "text"


def test_what_no_reader_takes_is_refused_with_a_sentence(tmp_path: Path):
    with pytest.raises(UserError, match="is binary"):
        chosen(write(tmp_path / "a.txt", b"\x89PNG\r\n\x1a\n\0\0\0"))


def test_a_format_that_nobody_reads_is_refused_with_those_that_are(tmp_path: Path):
    with pytest.raises(UserError, match=r"no format 'docx': choose from .*csv"):
        chosen(write(tmp_path / "a.txt", TITLES), format="docx")
