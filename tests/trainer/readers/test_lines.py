from pathlib import Path

from tests.trainer.readers.reading import read, write


def test_every_line_is_a_text_whatever_ends_it(tmp_path: Path):
    path = write(tmp_path / "a.txt", "one\r\ntwo\n\nthree")
    assert read(path, format="lines") == ["one\n", "two\n", "\n", "three"]
