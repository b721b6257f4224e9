import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from tests.trainer.readers.reading import chosen, notes, read, write
from trainer.readers import jsonl

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_a_usual_key_is_read_and_another_can_be_asked_for(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", lines({"id": "x", "title": "Why?", "by": {"name": "Ann"}}))
    assert read(path) == ["Why?"]
    assert read(path, column="by.name") == ["Ann"]
    assert "key 'title'" in notes(path)


def test_strings_alone_are_texts(tmp_path: Path):
    assert read(write(tmp_path / "a.jsonl", lines("One.", "Two."))) == ["One.", "Two."]


def test_lines_of_records_are_known_by_their_looks_too(tmp_path: Path):
    assert chosen(write(tmp_path / "a.txt", lines({"text": "Why?"}, {"text": "How?"}))) == "jsonl"
    assert chosen(write(tmp_path / "b.txt", "{Why?}\n{How?}\n")) == "lines"


def test_what_has_no_text_or_is_no_json_is_dropped_and_counted(tmp_path: Path):
    dropped: Counter[str] = Counter()
    content = lines({"text": "Why?"}, {"text": 3}, {"id": 4}) + '{"text": "cut of'
    assert read(write(tmp_path / "a.jsonl", content), dropped) == ["Why?"]
    assert dropped == {"without a text in 'text'": 2, "that are no JSON": 1}


@pytest.mark.parametrize("content", ["Hello.\n" * 300, "{\n}\n[\n]\n"])
def test_a_file_without_records_is_refused(tmp_path: Path, content: str):
    with pytest.raises(UserError, match=r"no JSON record|No record has"):
        read(write(tmp_path / "a.jsonl", content))


def test_nesting_too_deep_for_the_parser_is_no_record(tmp_path: Path):
    dropped: Counter[str] = Counter()
    path = write(tmp_path / "a.jsonl", lines({"text": "Why?"}) + '{"a":' * 100_000 + "\n")
    assert read(path, dropped) == ["Why?"]
    assert dropped == {"that are no JSON": 1}


@given(records=st.lists(JSON, max_size=9), piece=st.integers(1, 40), indent=st.none() | st.just(1))
def test_an_array_is_read_like_lines_wherever_it_is_cut_for_reading(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], piece: int, indent: int | None
):
    folder = tmp_path_factory.getbasetemp()
    records = ["Why?", *records]
    array = write(folder / "a.json", " " + json.dumps(records, indent=indent) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "PIECE", piece + 1)
        assert read(array) == [record for record in records if isinstance(record, str)]


def test_an_array_may_begin_late(tmp_path: Path):
    assert read(write(tmp_path / "a.json", " " * 200_000 + '["Why?"]')) == ["Why?"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('["Why?", "Ho', "cut off or damaged"),
        ('["Why?", nonsense, "How?"]', "cut off or damaged"),
        ('["Why?"] ["How?"]', "goes on behind its array"),
        ('["Why?", "' + "x" * 1_200_000 + '"]', "more than"),
        ('["Why?", ' + "[" * 100_000, "nested too deeply|damaged"),
    ],
)
def test_an_array_that_is_none_is_refused(tmp_path: Path, content: str, said: str):
    with pytest.raises(UserError, match=said):
        read(write(tmp_path / "a.json", content))
