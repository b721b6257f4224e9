import json
from pathlib import Path

import pytest

from tests.trainer.runs_on_disk import DAMAGES, LOG_DAMAGES, closed, make_run, write_metrics
from trainer.cli import main
from trainer.metrics import read_metrics
from trainer.runs import Run
from trainer.runs_compare import lowest, shared_ends

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    one, other = make_run(tmp_path, "one", lr=0.02), make_run(tmp_path, "other", dropout=0.1)
    write_metrics(one, [(5.0, 5.5), (4.0, 4.5), (3.0, 4.75)])
    write_metrics(other, [(5.0, None), (4.5, 4.25)], tokens=200)
    return tmp_path


def compare(runs: Path, *words: str) -> int:
    return main(["runs", "compare", "--runs-dir", str(runs), *words])


def test_losses_are_compared_where_all_runs_have_been(runs: Path):
    one, other = (read_metrics(run) for run in (Run(runs / "one"), Run(runs / "other")))
    ends = shared_ends([one, other])
    assert ends == {"step": 20, "tokens": 3000, "minutes": pytest.approx(3.0)}
    assert lowest(one, "step", ends["step"]) == 4.5
    assert lowest(other, "step", ends["step"]) == 4.25
    # The other run has read twice as many tokens a step: by 3,000 it was not yet validated.
    assert lowest(other, "tokens", ends["tokens"]) is None


def test_the_table_shows_what_differs_and_only_that(runs: Path, capsys: pytest.CaptureFixture[str]):
    assert compare(runs, "one", "other") == 0
    captured = capsys.readouterr()
    rows = {line[:12].strip(): line.split()[-2:] for line in captured.out.splitlines()[:12]}
    assert rows["lr"] == ["0.02", "–"]
    assert rows["dropout"] == ["0", "0.1"]
    assert "weight_decay" not in captured.out
    assert "by 20 steps  " in captured.out
    assert "⠤o⠤ one   ⠤x⠤ other" in captured.out
    assert captured.err == ""


def test_json_says_the_same(runs: Path, capsys: pytest.CaptureFixture[str]):
    assert compare(runs, "one", "other", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["comparable"] is True
    assert [run["name"] for run in facts["runs"]] == ["one", "other"]
    assert facts["runs"][0]["settings"] == {"lr": 0.02, "dropout": 0.0}
    assert facts["runs"][1]["lowest_val_loss"][0] == {"by": "step", "end": 20, "val_loss": 4.25}


def test_losses_on_different_texts_are_said_not_to_compare(
    runs: Path, capsys: pytest.CaptureFixture[str]
):
    Run(runs / "other").validation.write_bytes(b"others")
    assert compare(runs, "one", "other") == 0
    assert "cannot be compared" in capsys.readouterr().err


@pytest.mark.parametrize("axis", ["step", "tokens", "minutes"])
def test_curves_are_drawn_along_any_axis_and_as_a_picture(
    axis: str, runs: Path, capsys: pytest.CaptureFixture[str]
):
    picture = runs / "compared.png"
    assert compare(runs, "one", "other", "--by", axis, "--png", str(picture)) == 0
    assert f"-> ({axis})" in capsys.readouterr().out
    assert picture.read_bytes().startswith(PNG)


def test_runs_that_were_not_measured_yet_can_be_compared(
    runs: Path, capsys: pytest.CaptureFixture[str]
):
    make_run(runs, "new")
    assert compare(runs, "one", "new") == 0
    assert "by 20" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one"], "two runs or more"),
        (["one", "one"], "two runs or more"),
        (["one", "none"], "There is no run 'none'"),
        (["one", "other", "--png", "/dev/null/x.png"], "cannot be written"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(
    words: list[str], said: str, runs: Path, capsys: pytest.CaptureFixture[str]
):
    assert compare(runs, *words) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_not_compared_and_named(
    damage: str, runs: Path, capsys: pytest.CaptureFixture[str]
):
    DAMAGES[damage](Run(runs / "other"))
    assert compare(runs, "one", "other") == 1
    captured = capsys.readouterr()
    assert str(runs / "other") in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("damage", LOG_DAMAGES)
def test_damaged_metrics_are_a_sentence_that_names_them(
    damage: str, runs: Path, capsys: pytest.CaptureFixture[str]
):
    metrics = Run(runs / "other").metrics
    LOG_DAMAGES[damage](metrics)
    assert compare(runs, "one", "other") == 1
    assert capsys.readouterr().err.startswith(f"{metrics} ")


@pytest.mark.parametrize("what", ["", "metrics.jsonl", "data", "checkpoints"])
def test_a_run_that_may_not_be_read_is_a_sentence(
    what: str, runs: Path, capsys: pytest.CaptureFixture[str]
):
    with closed(runs / "other" / what):
        assert compare(runs, "one", "other") == 1
    captured = capsys.readouterr()
    assert "Permission denied" in captured.err
    assert len(captured.err.splitlines()) == 1
