from pathlib import Path

import pytest

from backends import UserError
from trainer.comparison import Row, people_beside, read_texts, table


def test_peoples_texts_are_no_longer_than_the_models(tmp_path: Path):
    file = tmp_path / "people.txt"
    file.write_text("one two three four five\nsix\nseven eight\n" * 9)
    texts = people_beside(None, file, ["a b c"], 5)
    assert len(texts) == 5
    assert set(texts) == {"one two three", "six", "seven eight"}


def test_texts_without_words_cannot_be_compared():
    with pytest.raises(UserError, match="There is no word in 2 texts"):
        people_beside(None, None, ["?", "!"], 5)


def test_a_table_without_people_has_one_column():
    shown = table("title", [Row("one", 0.25, share=True), Row("two", 3)])
    assert shown.splitlines() == [
        "title", "", "          model", "one      25.0 %", "two           3",
    ]  # fmt: skip


def test_of_a_large_file_the_beginning_is_read_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("trainer.comparison.MOST_CHARACTERS", 20)
    file = tmp_path / "texts.csv"
    file.write_text("text\n" + "".join(f"this is number {number}\n" for number in range(9)))
    assert read_texts(file) == ["this is number 0", "this is number 1"]
    assert "its first 2 texts are taken" in capsys.readouterr().err
