import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from backends.model_directory import read_card
from tests.models import tiny_model_directory
from tests.trainer.runs_on_disk import DAMAGES, LOG_DAMAGES, closed, make_run, write_metrics
from trainer.cli import main
from trainer.runs import Run
from trainer.samples import write_samples

COMMAND = "python -m trainer finetune a.txt --model fresh:tiny --run ask"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = make_run(tmp_path / "runs", "ask", lr=0.02)
    run.manifest.write_text(
        json.dumps({"file": "a.txt", "rows": 16000, "dropped": {"blank": 21, "short": 3}})
    )
    training = {"command": COMMAND, "steps": 40, "val_loss": 3.25}
    run.about.write_text(json.dumps({"training": training}))
    write_metrics(run, [(5.0, None), (4.0, 3.25), (3.5, None), (3.0, 3.5)])
    write_samples(run, [{"step": 20, "text": "Early"}])
    late = [{"step": 40, "text": text} for text in ("Late\nand long", "Later")]
    write_samples(run, late)
    return run


def show(run: Run, *words: str) -> int:
    models = str(run.path.parent.parent / "models")
    return main(
        ["runs", "show", run.name, "--runs-dir", str(run.path.parent), "--models-dir", models,
         *words]
    )  # fmt: skip


def test_the_page_says_losses_data_settings_and_the_last_samples(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    assert show(run) == 0
    page = capsys.readouterr().out
    assert "ask: finished, 40 steps" in page
    assert "lowest validation loss 3.250 at step 20; training loss 3.000" in page
    assert "16,000" in page
    assert "  dropped             21 blank, 3 short\n" in page
    assert COMMAND in page
    assert "  lr                  0.02\n" in page
    assert "weight_decay" not in page, "of the settings only those that are not the usual ones"
    assert "-> (step)" in page
    assert "samples of step 40\n  » Late\n    and long\n  » Later\n" in page
    assert "Early" not in page


def test_json_is_one_object_with_all_settings(run: Run, capsys: pytest.CaptureFixture[str]):
    assert show(run, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["settings"]["weight_decay"] == 0.1
    assert facts["training"]["best_step"] == 20
    assert [sample["text"] for sample in facts["samples"]] == ["Late\nand long", "Later"]
    assert facts["exported"] == []


def test_a_run_without_a_checkpoint_can_be_shown(run: Run, capsys: pytest.CaptureFixture[str]):
    for path in (run.last / "state.json", run.about, run.manifest, run.metrics, run.samples):
        path.unlink()
    run.last.rmdir()
    assert show(run) == 0
    assert "ask: no checkpoint yet, 0 steps" in capsys.readouterr().out


def test_the_model_that_this_training_made_is_found_under_any_name(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    models = run.path.parent.parent / "models"
    tiny_model_directory(models / "mine")
    shutil.copytree(models / "mine", models / "other")
    for name, val_loss in (("mine", 3.25), ("other", 9.0)):
        card = read_card(models / name)
        training: dict[str, Any] = {"command": COMMAND, "steps": 40, "val_loss": val_loss}
        changed = card.model_copy(update={"training": training})
        (models / name / "card.json").write_text(changed.model_dump_json())
    (models / "broken").mkdir()
    (models / "broken" / "card.json").write_text("{")
    assert show(run, "--json") == 0
    exported = json.loads(capsys.readouterr().out)["exported"]
    assert [model["path"] for model in exported] == [str(models / "mine")]


@pytest.mark.parametrize("damage", LOG_DAMAGES)
@pytest.mark.parametrize("name", ["metrics", "samples", "manifest", "about", "config"])
def test_a_damaged_file_is_a_sentence_that_names_it(
    name: str, damage: str, run: Run, capsys: pytest.CaptureFixture[str]
):
    path: Path = getattr(run, name)
    LOG_DAMAGES[damage](path)
    for words in ([], ["--json"]):
        assert show(run, *words) == 1
        captured = capsys.readouterr()
        assert str(path) in captured.err or f"has lost its {path.name}" in captured.err
        assert len(captured.err.splitlines()) == 1
        assert captured.out == ""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_a_sentence(damage: str, run: Run, capsys: pytest.CaptureFixture[str]):
    DAMAGES[damage](run)
    assert show(run) == 1
    assert str(run.path) in capsys.readouterr().err


@pytest.mark.parametrize("what", ["", "config.toml", "data", "about.json"])
def test_a_run_that_may_not_be_read_is_a_sentence(
    what: str, run: Run, capsys: pytest.CaptureFixture[str]
):
    with closed(run.path / what):
        assert show(run) == 1
    assert capsys.readouterr().err.endswith("cannot be read: Permission denied.\n")


@pytest.mark.parametrize("damage", [{"training": 1}, {"training": {"steps": [], "val_loss": "x"}}])
def test_a_run_with_odd_facts_is_shown_or_refused_with_a_sentence(
    damage: dict[str, object], run: Run, capsys: pytest.CaptureFixture[str]
):
    shutil.rmtree(run.last)
    run.about.write_text(json.dumps(damage))
    if show(run):
        assert "is damaged" in capsys.readouterr().err


def test_half_a_last_line_of_a_run_that_was_killed_is_left_out(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    for path in (run.metrics, run.samples):
        with path.open("a") as file:
            file.write('{"step": 50, "te')
    assert show(run) == 0
    assert "samples of step 40" in capsys.readouterr().out
