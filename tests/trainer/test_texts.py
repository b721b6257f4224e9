import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from trainer.sniff import Kind, Layout, sniff
from trainer.texts import LONGEST_LINE, STRETCH, Texts

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def texts(path: Path, content: str, kind: Kind = Kind.CSV, *, header: bool = False) -> Texts:
    path.write_text(content, encoding="utf-8", newline="")
    return Texts(path, Layout(kind, "utf-8", header=header))


def test_a_cell_may_hold_line_breaks_commas_and_quotes(tmp_path: Path):
    read = texts(tmp_path / "a.csv", '"one\r\ntwo"\r\n"a, ""b"""\r\nplain\r\n')
    assert list(read) == ["one\ntwo", 'a, "b"', "plain"]


@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=1, max_size=9))
def test_the_first_cell_of_every_row_that_is_not_blank_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    read = Texts(path, Layout(Kind.CSV, "utf-8"))
    firsts = [row[0].replace("\r\n", "\n").replace("\r", "\n").strip() for row in rows]
    assert list(read) == [cell for cell in firsts if cell]
    assert read.dropped["blank"] == firsts.count("")


def test_the_header_is_the_first_row_that_is_not_blank(tmp_path: Path):
    read = texts(tmp_path / "a.csv", "\n\ntitle\nWhy?\n", header=True)
    assert list(read) == ["Why?"]


def test_blank_rows_are_dropped_and_counted_anew_each_time(tmp_path: Path):
    read = texts(tmp_path / "a.txt", "one\n\n  \ntwo\n", Kind.LINES)
    for _ in range(2):
        assert list(read) == ["one", "two"]
        assert read.dropped == {"blank": 2}


def test_a_byte_order_mark_is_no_part_of_the_first_text(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfWhat is it?\nWhy is it?\n")
    assert list(Texts(path, sniff(path))) == ["What is it?", "Why is it?"]


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=99))
def test_the_stretches_of_long_text_joined_are_the_text(
    tmp_path_factory: pytest.TempPathFactory, text: str
):
    content = text * 200
    read = texts(tmp_path_factory.mktemp("txt") / "a.txt", content, Kind.TEXT)
    assert "".join(read) == content
    assert all(len(stretch) < 2 * STRETCH for stretch in read)


def test_a_line_without_end_is_refused_before_it_is_read_whole(tmp_path: Path):
    for kind in (Kind.LINES, Kind.CSV):
        with pytest.raises(UserError, match="longer than"):
            list(texts(tmp_path / "a.txt", "x" * (LONGEST_LINE + 1), kind))


def test_a_quote_left_open_is_refused_with_its_line(tmp_path: Path):
    with pytest.raises(UserError, match="Is a quote left open"):
        list(texts(tmp_path / "a.csv", 'one\n"two\n' + "three\n" * 40_000))


def test_a_wrong_byte_far_from_the_head_is_refused_with_a_sentence(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"What is it?\n" * 40_000 + b"caf\xe9\n")
    with pytest.raises(UserError, match="--encoding"):
        list(Texts(path, sniff(path)))
