import json
from pathlib import Path

import pytest

from backends import UserError
from trainer.generate import Written, as_delimited, as_json
from trainer.written import read_written

TEXTS = ["What would you do?", "one\ntwo {", "naïve ☕"]


@pytest.mark.parametrize("form", [as_json, as_delimited])
def test_what_generate_writes_is_read_again(form, tmp_path: Path):
    file = tmp_path / "written"
    file.write_text("".join(form(Written(text, 1, "stop", 3)) for text in TEXTS))
    assert read_written(file) == TEXTS


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no texts"),
        (b" \n====================\n", "holds no texts"),
        (b"just a text\n", "neither JSON lines nor texts that each end"),
        (b"one\n====================\nand a rest", "neither JSON lines nor texts that each end"),
        (b'{"text": "one"}\n{"title": "two"}', 'must be a JSON object with a "text"'),
        (b'{"text": "one"}\nnonsense', "must be a JSON object"),
        (b'{"text": "one"}\n["text"]', "must be a JSON object"),
        (b"caf\xe9\n====================\n", "is not UTF-8"),
    ],
)
def test_a_file_without_texts_is_refused_in_a_sentence(
    content: bytes, sentence: str, tmp_path: Path
):
    file = tmp_path / "written"
    file.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        read_written(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_written(tmp_path / "none")


def test_an_empty_text_is_no_text(tmp_path: Path):
    file = tmp_path / "written"
    file.write_text(json.dumps({"text": " "}) + "\n" + json.dumps({"text": "one"}) + "\n")
    assert read_written(file) == ["one"]
