import json
from pathlib import Path

import pytest

from backends import UserError
from trainer.cli import main
from trainer.runs import Run, find_run, list_runs
from trainer.settings import Settings, write_settings


def make(root: Path, name: str, state: dict[str, object] | None = None) -> Run:
    run = Run(root / name)
    run.last.mkdir(parents=True)
    write_settings(Settings("a.txt", "fresh:tiny"), run.config)
    if state is not None:
        (run.last / "state.json").write_text(json.dumps(state))
    return run


@pytest.mark.parametrize("name", ["../../x", "a/b", ".hidden", "", "A", "a" * 65, "a\nb", "~"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UserError, match="cannot be a name"):
        find_run(tmp_path, name)


def test_a_run_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(UserError, match="There is no run 'ask'"):
        find_run(tmp_path, "ask")


def test_only_whole_runs_are_listed_by_name(tmp_path: Path):
    make(tmp_path, "b")
    make(tmp_path, "a")
    (tmp_path / "no-run").mkdir()
    make(tmp_path, ".a.1234.partial")
    assert [run.name for run in list_runs(tmp_path)] == ["a", "b"]
    assert list(list_runs(tmp_path / "none")) == []


def test_the_list_says_steps_loss_and_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make(tmp_path, "a", {"step": 1200, "best_val_loss": 3.25, "state": "finished"})
    make(tmp_path, "b")
    assert main(["runs", "--runs-dir", str(tmp_path), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == ["a", "b"]
    assert (rows[0]["steps"], rows[0]["best_val_loss"], rows[0]["state"]) == (
        1200, 3.25, "finished")  # fmt: skip
    assert (rows[1]["steps"], rows[1]["state"]) == (0, "no checkpoint yet")
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert "1,200" in table
    assert "3.250" in table


def test_no_runs_is_said_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no runs" in captured.err
