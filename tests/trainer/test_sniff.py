from pathlib import Path

import pytest

from backends import UserError
from trainer.sniff import Kind, sniff

TITLES = "".join(f"What would you do with {n}{' nice' * (n % 5) ** 2} apples?\n" for n in range(30))
PROSE = "It was a dark night and the wind\nblew over the hills, while the\nrain came down.\n\n" * 9


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", TITLES, Kind.LINES),
        ("a.txt", TITLES.lower(), Kind.LINES),
        ("a.txt", "yes\nno, never again, i think\nmaybe not\n" * 9, Kind.LINES),
        ("a.txt", PROSE, Kind.TEXT),
        ("a.txt", PROSE.replace("\n\n", "\n"), Kind.TEXT),
        ("a.txt", "one single line of text", Kind.TEXT),
        ("a.csv", TITLES, Kind.CSV),
        ("a.CSV", PROSE, Kind.CSV),
    ],
)
def test_the_shape_of_a_file_is_told_from_its_name_and_lines(
    tmp_path: Path, name: str, content: str, kind: Kind
):
    assert sniff(write(tmp_path / name, content)).kind is kind


def test_the_user_has_the_last_word_on_the_shape(tmp_path: Path):
    assert sniff(write(tmp_path / "a.txt", TITLES), "text").kind is Kind.TEXT


@pytest.mark.parametrize(
    ("first", "header"),
    [
        ("title", True),
        ("Text", True),
        ("post_title", True),
        ("Why?", False),
        ("What is this thing here?", False),
        ("How do you make the best coffee", False),
    ],
)
def test_a_header_is_a_usual_name_or_a_word_far_shorter_than_the_cells(
    tmp_path: Path, first: str, header: bool
):
    assert sniff(write(tmp_path / "a.csv", f"{first}\n{TITLES}")).header is header


def test_a_header_can_be_forced_and_denied(tmp_path: Path):
    path = write(tmp_path / "a.csv", "title\n" + TITLES)
    assert sniff(path, header=False).header is False
    assert sniff(write(path, TITLES), header=True).header is True


def test_a_column_of_short_words_has_no_header(tmp_path: Path):
    assert sniff(write(tmp_path / "a.csv", "apple\npear\nplum\nfig\n")).header is False


def test_columns_are_counted(tmp_path: Path):
    assert sniff(write(tmp_path / "a.csv", 'title,score\n"a, b",3\n')).columns == 2


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"\xef\xbb\xbf" + TITLES.encode(), "utf-8-sig"),
        (TITLES.encode("utf-16"), "utf-16"),
        (TITLES.encode(), "utf-8"),
    ],
)
def test_a_byte_order_mark_names_the_encoding(tmp_path: Path, content: bytes, encoding: str):
    assert sniff(write(tmp_path / "a.txt", content)).encoding == encoding


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n\t\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is binary"),
        (bytes(range(1, 256)) * 9, "is binary"),
        ("naïve café\n".encode("cp1252") * 40, "not utf-8 text"),
    ],
)
def test_what_is_no_text_is_refused_with_a_sentence(tmp_path: Path, content: bytes, said: str):
    with pytest.raises(UserError, match=said):
        sniff(write(tmp_path / "a.txt", content))


def test_an_encoding_can_be_named_and_an_unknown_one_is_refused(tmp_path: Path):
    path = write(tmp_path / "a.txt", "Who is naïve?\nWho is not?\n".encode("cp1252"))
    assert sniff(path, encoding="cp1252").kind is Kind.LINES
    with pytest.raises(UserError, match="no encoding 'utf-9'"):
        sniff(path, encoding="utf-9")


def test_a_missing_file_and_a_directory_are_refused_with_a_sentence(tmp_path: Path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            sniff(path)


def test_a_character_cut_by_the_end_of_the_head_does_no_harm(tmp_path: Path):
    for shift in range(4):
        assert sniff(write(tmp_path / "a.txt", "x" * shift + "🎉" * 70_000)).kind is Kind.TEXT
