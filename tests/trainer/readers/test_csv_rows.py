import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from tests.trainer.readers.reading import notes, read, write
from trainer.readers import csv_rows

CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
TITLES = "".join(f"What would you do with {n} nice apples?\n" for n in range(30))


def test_a_cell_may_hold_line_breaks_commas_and_quotes(tmp_path: Path):
    path = write(tmp_path / "a.csv", '"one\r\ntwo"\r\n"a, ""b"""\r\nplain\r\n')
    assert read(path, header=False) == ["one\ntwo", 'a, "b"', "plain"]


@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=9))
def test_a_cell_of_every_row_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    rows = [["first", "second"], *rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    assert read(path, column="2", header=False) == [row[1] for row in rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_what_cuts_every_row_alike(tmp_path: Path, delimiter: str):
    rows = "".join(f"{n}{delimiter}What, if ever, is {n}?\n" for n in range(9))
    if delimiter == ",":
        rows = rows.replace("What, if ever,", "What")
    path = write(tmp_path / "a.csv", f"id{delimiter}text\n" + rows)
    assert read(path)[8].endswith("is 8?")


@pytest.mark.parametrize("header", ["title\n", ""])
@pytest.mark.parametrize("commas", [2, 20])
def test_commas_in_a_single_column_are_part_of_its_texts(tmp_path: Path, header: str, commas: int):
    texts = [f"Why{', oh why' * (n % commas == 0)} is it {n}?" for n in range(60)]
    path = write(tmp_path / "a.csv", header + "\n".join(texts))
    assert read(path) == texts


def test_a_tsv_has_tabs(tmp_path: Path):
    assert read(write(tmp_path / "a.tsv", "subreddit\ttitle\nfun\tWhy, oh why?\n")) == [
        "Why, oh why?"
    ]


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
    assert len(read(write(tmp_path / "a.csv", f"{first}\n{TITLES}"))) == 31 - header


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("name,score\nAnn,3\nBob,4\n", True),
        ("name,title\nAnn,Why\nBob,How\n", True),
        ("Ann,3\nBob,4\nCid,5\n", False),
        ("red,green\nblue,white\n", False),
    ],
)
def test_a_header_of_several_columns_has_a_usual_name_or_stands_above_numbers(
    tmp_path: Path, content: str, header: bool
):
    path = write(tmp_path / "a.csv", content)
    assert len(read(path)) == content.count("\n") - header


def test_a_header_can_be_forced_and_denied(tmp_path: Path):
    path = write(tmp_path / "a.csv", "title\n" + TITLES)
    assert read(path, header=False)[0] == "title"
    assert len(read(write(path, TITLES), header=True)) == 29


def test_the_header_is_the_first_row_that_is_not_blank(tmp_path: Path):
    assert read(write(tmp_path / "a.csv", "\n\ntitle\nWhy?\n"), header=True)[-1] == "Why?"


def test_a_column_of_short_words_has_no_header(tmp_path: Path):
    assert len(read(write(tmp_path / "a.csv", "apple\npear\nplum\nfig\n"))) == 4


def test_which_column_is_read_is_said_and_another_can_be_chosen(tmp_path: Path):
    path = write(tmp_path / "a.csv", 'id,title,body\n1,"a, b",x\n2,c,y\n')
    assert read(path) == ["a, b", "c"]
    assert "column 'title' (--column NAME reads another), not id, body" in notes(path)
    assert read(path, column="body") == read(path, column="3") == ["x", "y"]


def test_a_row_without_the_column_is_dropped_and_counted(tmp_path: Path):
    dropped: Counter[str] = Counter()
    assert read(write(tmp_path / "a.csv", "id,title\n1,Why?\n2\n"), dropped) == ["Why?"]
    assert dropped == {"without the column": 1}


def test_a_quote_left_open_is_refused_with_its_line(tmp_path: Path):
    with pytest.raises(UserError, match="Is a quote left open"):
        read(write(tmp_path / "a.csv", 'one\n"two\n' + "three\n" * 40_000))


def test_a_row_without_end_is_refused_before_it_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(csv_rows, "LONGEST_ROW", 100_000)
    path = write(tmp_path / "a.csv", "one\ntwo\n" * 200 + '"a\n",' * 60_000)
    with pytest.raises(UserError, match="a row is longer than"):
        read(path)


def test_very_many_columns_are_read_like_few(tmp_path: Path):
    path = write(tmp_path / "a.csv", ("," * 100_000 + "last\n") * 3 + "x\n")
    assert read(path, column="100001", header=False) == ["last"] * 3
