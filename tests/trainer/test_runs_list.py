import json
import shutil
from pathlib import Path

import pytest

from tests.trainer.runs_on_disk import DAMAGES, closed, make_run
from trainer.cli import main
from trainer.locks import run_lock


def listed(root: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert main(["runs", "list", "--runs-dir", str(root), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_list_says_steps_loss_and_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_run(tmp_path, "a", {"step": 1200, "best_val_loss": 3.25})
    shutil.rmtree(make_run(tmp_path, "b").last)
    rows = listed(tmp_path, capsys)
    assert [row["name"] for row in rows] == ["a", "b"]
    assert (rows[0]["steps"], rows[0]["best_val_loss"], rows[0]["state"]) == (
        1200, 3.25, "finished")  # fmt: skip
    assert (rows[1]["steps"], rows[1]["state"]) == (0, "no checkpoint yet")
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert "1,200" in table
    assert "3.250" in table


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_listed_as_damaged_beside_whole_ones(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path, "whole")
    DAMAGES[damage](make_run(tmp_path, "broken"))
    broken, whole = listed(tmp_path, capsys)
    assert str(broken["state"]).startswith("damaged: ")
    assert str(tmp_path / "broken") in str(broken["state"])
    assert whole["state"] == "finished"
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    assert "damaged: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("recorded", "said"), [("training", "interrupted"), ("stopped", "stopped")]
)
def test_a_run_that_nobody_works_on_is_not_said_to_train(
    recorded: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run(tmp_path, "a", {"state": recorded})
    assert [row["state"] for row in listed(tmp_path, capsys)] == [said]
    with run_lock(run):
        assert [row["state"] for row in listed(tmp_path, capsys)] == ["in use"]


def test_no_runs_is_said_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no runs" in captured.err


@pytest.mark.parametrize("what", ["", "config.toml", "checkpoints"])
def test_a_run_that_may_not_be_read_is_listed_with_why(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make_run(tmp_path, "whole")
    run = make_run(tmp_path, "theirs")
    with closed(run.path / what):
        theirs, whole = listed(tmp_path, capsys)
    assert str(theirs["state"]).endswith("cannot be read: Permission denied.")
    assert whole["state"] == "finished"


def test_a_folder_of_runs_that_is_none_or_may_not_be_read_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "file"
    file.touch()
    assert main(["runs", "--runs-dir", str(file)]) == 1
    assert capsys.readouterr().err == f"{file} cannot be read: Not a directory.\n"
    make_run(tmp_path / "runs", "a")
    with closed(tmp_path / "runs"):
        assert main(["runs", "--runs-dir", str(tmp_path / "runs")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'runs'} cannot be read: Permission denied.\n"


@pytest.mark.parametrize("what", ["file", "link to nowhere", "loop"])
def test_what_is_no_folder_is_not_listed(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "a"
    if what == "file":
        path.touch()
    else:
        path.symlink_to("a" if what == "loop" else "nowhere")
    assert listed(tmp_path, capsys) == []
