from pathlib import Path

from tests.trainer.readers.reading import chosen, read, write
from trainer.readers.document import LONGEST


def test_a_document_is_one_text(tmp_path: Path):
    program = "def f():\n\n    return 1\n"
    assert read(write(tmp_path / "a.py", program), format="document") == [program]


def test_a_long_document_is_cut_between_lines(tmp_path: Path):
    content = "".join(f"Line {n}.\n" for n in range(LONGEST // 5))
    parts = read(write(tmp_path / "a.txt", content), format="document")
    assert "".join(parts) == content
    assert len(parts) > 1
    assert all(part.endswith("\n") and len(part) <= LONGEST for part in parts)


def test_a_single_file_is_none_unless_asked_for(tmp_path: Path):
    assert chosen(write(tmp_path / "a.py", "def f():\n\n    return 1\n")) != "document"
