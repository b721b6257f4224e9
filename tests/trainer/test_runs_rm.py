import io
import sys
from pathlib import Path

import pytest

from tests.trainer.runs_on_disk import DAMAGES, closed, make_run
from trainer.cli import main
from trainer.locks import run_lock
from trainer.runs import Run


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


def remove(root: Path, *words: str) -> int:
    return main(["runs", "rm", "--runs-dir", str(root), *words])


def test_a_run_is_removed_and_the_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_run(tmp_path, "a")
    make_run(tmp_path, "b")
    assert remove(tmp_path, "a", "--yes") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert "Removed" in capsys.readouterr().err


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_can_be_removed(damage: str, tmp_path: Path):
    DAMAGES[damage](make_run(tmp_path, "a"))
    assert remove(tmp_path, "a", "--yes") == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "left"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)]
)
def test_on_a_terminal_only_a_yes_removes(
    answer: str,
    left: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    make_run(tmp_path, "a")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert remove(tmp_path, "a") == left
    assert len(list(tmp_path.iterdir())) == left
    assert "Remove this run for good? [y/N]" in capsys.readouterr().err


def test_without_a_terminal_yes_must_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path, "a")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert remove(tmp_path, "a") == 1
    assert "--yes" in capsys.readouterr().err
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["none", "../outside", "photos"])
def test_nothing_is_removed_when_one_of_the_names_is_no_run(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root = tmp_path / "runs"
    make_run(root, "a")
    make_run(tmp_path, "outside")
    (root / "photos").mkdir()
    assert remove(root, "a", name, "--yes") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert all(path.exists() for path in (root / "a", root / "photos", tmp_path / "outside"))


def test_a_run_that_is_in_use_is_not_removed_nor_those_named_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path, "a")
    run = make_run(tmp_path, "b")
    with run_lock(run):
        assert remove(tmp_path, "a", "b", "--yes") == 1
    assert "Another process works on the run" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_links_lead_to_stays(tmp_path: Path):
    root, elsewhere = tmp_path / "runs", make_run(tmp_path, "elsewhere")
    run = make_run(root, "a")
    (run.path / "data" / "link").symlink_to(elsewhere.path)
    (root / "linked").symlink_to(elsewhere.path)
    assert remove(root, "a", "linked", "--yes") == 0
    assert list(root.iterdir()) == []
    assert Run(elsewhere.path).config.is_file()
    assert (elsewhere.last / "state.json").is_file()


def test_a_run_that_cannot_be_removed_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path, "a")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    assert remove(tmp_path, "a", "--yes") == 1
    assert "cannot be removed" in capsys.readouterr().err


def test_what_could_not_be_deleted_is_no_run_any_more_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path, "a")
    with closed(make_run(tmp_path, "b").path):
        assert remove(tmp_path, "b", "--yes") == 1
        (rest,) = (path for path in tmp_path.iterdir() if path.name != "a")
        rest.rename(tmp_path / "b")  # for `closed` to open it again
    assert f"(Permission denied): delete {rest} by hand." in capsys.readouterr().err


def test_a_folder_of_runs_that_may_not_be_read_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path / "runs", "a")
    with closed(tmp_path / "runs"):
        assert remove(tmp_path / "runs", "a", "--yes") == 1
    assert capsys.readouterr().err.endswith("cannot be read: Permission denied.\n")
