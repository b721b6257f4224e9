from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.runs_on_disk import make_run
from trainer.cli import main
from trainer.runs import find_run, list_runs


@pytest.mark.parametrize("name", ["../../x", "a/b", ".hidden", "", "A", "a" * 65, "a\nb", "~"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UserError, match="cannot be a name"):
        find_run(tmp_path, name)


def test_a_run_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(UserError, match="There is no run 'ask'"):
        find_run(tmp_path, "ask")


def test_what_is_left_of_a_run_is_said_to_be_damaged(tmp_path: Path):
    make_run(tmp_path, "ask").config.unlink()
    with pytest.raises(UserError, match=r"is damaged: it has lost its config\.toml"):
        find_run(tmp_path, "ask")


def test_runs_are_listed_by_name_and_so_are_damaged_ones(tmp_path: Path):
    make_run(tmp_path, "b")
    make_run(tmp_path, "a")
    make_run(tmp_path, "c").config.unlink()
    (tmp_path / "no-run").mkdir()
    make_run(tmp_path, ".a.1234.partial")
    assert [run.name for run in list_runs(tmp_path)] == ["a", "b", "c"]
    assert list(list_runs(tmp_path / "none")) == []


@pytest.mark.parametrize("command", ["list", "show", "compare", "rm"])
def test_every_command_of_runs_has_help(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exit_:
        main(["runs", command, "--help"])
    assert exit_.value.code == 0
    assert f"runs {command}" in capsys.readouterr().out


def test_the_folder_of_runs_may_be_given_before_or_behind_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path, "a")
    for words in (
        ["runs", "--runs-dir", str(tmp_path)],
        ["runs", "--runs-dir", str(tmp_path), "list"],
        ["runs", "list", "--runs-dir", str(tmp_path)],
    ):
        assert main(words) == 0
        assert "fresh:tiny" in capsys.readouterr().out
