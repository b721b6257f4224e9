from pathlib import Path

import pytest

from backends.durable import durable_directory, durable_file


def fill(folder: Path, content: str) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text(content)


def write_half(target: Path) -> None:
    with durable_file(target) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")


def fill_half(target: Path) -> None:
    with durable_directory(target) as temporary:
        fill(temporary, "half")
        raise OSError("disk full")


def test_a_file_appears_whole_and_leaves_nothing_beside_it(tmp_path: Path):
    with durable_file(tmp_path / "new" / "file") as temporary:
        temporary.write_text("all")
        assert not (tmp_path / "new" / "file").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]
    assert (tmp_path / "new" / "file").read_text() == "all"


def test_an_error_leaves_the_old_file_as_it_was(tmp_path: Path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(OSError, match="disk full"):
        write_half(target)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"


def test_a_directory_replaces_the_one_before_as_a_whole(tmp_path: Path):
    for content in ("old", "new"):
        with durable_directory(tmp_path / "model") as temporary:
            fill(temporary, content)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "inner" / "file").read_text() == "new"


def test_an_error_leaves_the_old_directory_as_it_was(tmp_path: Path):
    with durable_directory(tmp_path / "model") as temporary:
        fill(temporary, "old")
    with pytest.raises(OSError, match="disk full"):
        fill_half(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "inner" / "file").read_text() == "old"
