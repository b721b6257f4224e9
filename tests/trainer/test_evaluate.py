import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from backends.model_directory import read_card
from tests.trainer.conftest import TITLES
from trainer.cli import main
from trainer.runs import Run

Output = pytest.CaptureFixture[str]
WRITING = ("--n", "12", "--seed", "1", "--temperature", "1", "--max-tokens", "20")


@pytest.fixture
def run(titles_run: Run, tmp_path: Path) -> Run:
    run = Run(tmp_path / "runs" / "titles")
    shutil.copytree(titles_run.path, run.path)
    return run


def evaluate(run: Run, *words: str) -> int:
    return main(
        ["evaluate", "--run", run.name, "--runs-dir", str(run.path.parent), *WRITING, *words]
    )


def test_a_run_is_measured_beside_its_held_out_texts(run: Run, capsys: Output):
    assert evaluate(run, "--json", "--write-card") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"]["texts"] == told["people"]["texts"] == 10, "as many of each"
    assert told["people"]["mean_words"] <= 11
    assert 0 <= told["ended"] <= 1
    card = read_card(run.path / "model")
    assert card.evaluation == told
    assert math.isclose(told["perplexity"], card.perplexity[card.precision], abs_tol=0.01)
    assert json.loads(run.about.read_text())["evaluation"] == told


def test_the_table_names_every_figure(run: Run, capsys: Output):
    assert evaluate(run) == 0
    out = capsys.readouterr().out
    assert out.startswith("10 texts of model and 10 held-out texts of people\n")
    for label in ("perplexity on held-out text", "texts that end by themselves", "mean length",
                  "(distinct-1)", "(distinct-3)", "repeats"):  # fmt: skip
        assert label in out


def test_held_out_texts_of_a_file_are_laid_out_as_the_runs_own(
    run: Run, tmp_path: Path, capsys: Output
):
    assert evaluate(run, "--json") == 0
    own = json.loads(capsys.readouterr().out)
    file = tmp_path / "held-out.txt"
    file.write_text("\n".join(TITLES[50:]))
    words = ["evaluate", "--model", str(run.path / "model"), *WRITING, "--json"]
    assert main([*words, "--data", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == own


def test_without_held_out_texts_the_rest_is_measured(run: Run, capsys: Output):
    run.validation.unlink()
    assert evaluate(run, "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert (told["perplexity"], told["people"]) == (None, None)
    assert "There are no held-out texts" in shown.err


def test_held_out_tokens_that_are_none_end_with_a_sentence(run: Run, capsys: Output):
    assert evaluate(run) == 0
    np.save(run.validation, np.array([0], np.uint16))
    assert evaluate(run) == 1
    assert "too little held-out text" in capsys.readouterr().err
    run.validation.write_bytes(b"nothing")
    assert evaluate(run) == 1
    assert "validation.npy cannot be read as token ids" in capsys.readouterr().err
