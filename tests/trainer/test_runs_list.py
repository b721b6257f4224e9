import json
import shutil
from pathlib import Path

import pytest

from tests.trainer.runs_on_disk import make_run
from trainer.cli import main
from trainer.locks import run_lock
from trainer.runs import Run


def damage_config(run: Run) -> None:
    run.config.write_text("model = ")


def damage_state(run: Run) -> None:
    (run.last / "state.json").write_text('{"step": 4')


def lose_config(run: Run) -> None:
    run.config.unlink()


def lose_step(run: Run) -> None:
    (run.last / "state.json").write_text('{"tokens": 4}')


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


@pytest.mark.parametrize("damage", [damage_config, damage_state, lose_config, lose_step])
def test_a_damaged_run_is_listed_as_damaged_beside_whole_ones(
    damage: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert callable(damage)
    make_run(tmp_path, "whole")
    damage(make_run(tmp_path, "broken"))
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
