import json
from pathlib import Path

import numpy as np
import pytest

from backends import UserError
from backends.model_directory import Precision, read_card, sha256_of, verify_model
from tests.models import tiny_checkpoint
from trainer.cli import main
from trainer.export import PERPLEXITY_TOLERANCE, choose, export_model, export_run
from trainer.runs import Run

HELD_OUT = np.random.default_rng(0).integers(0, 371, 300)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny_checkpoint(tmp_path / "checkpoint")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run as finetuning leaves it."""
    run = Run(tmp_path / "runs" / "titles")
    tiny_checkpoint(run.best)
    run.validation.parent.mkdir()
    np.save(run.validation, HELD_OUT)
    run.config.write_text('data = "titles.txt"\nmodel = "fresh:tiny"\n')
    facts = {
        "training": {"seed": 7},
        "data": {"source": "titles", "licence": "PDDL"},
        "defaults": {"prefix": "What"},
        "prepend_end_token": True,
        "base": "",
        "base_licence": "",
    }
    run.about.write_text(json.dumps(facts))
    return run


def test_a_run_is_exported_with_all_that_is_known_of_it(run: Run, tmp_path: Path):
    card = export_run(run, tmp_path / "models" / "titles")
    assert verify_model(tmp_path / "models" / "titles") == card
    assert (card.name, card.prepend_end_token) == ("titles", True)
    assert card.data == {"source": "titles", "licence": "PDDL"}
    assert (card.training, card.defaults) == ({"seed": 7}, {"prefix": "What"})
    assert card.weights_sha256 == sha256_of(run.best / "model.safetensors")
    assert set(card.perplexity) == {"fp32", "int8"}


def test_a_parity_failure_writes_nothing_and_keeps_the_old_model(run: Run, tmp_path: Path):
    target = tmp_path / "models" / "titles"
    before = export_run(run, target)
    with pytest.raises(UserError, match="does not match PyTorch"):
        export_run(run, target, parity_tolerance=0.0)
    assert read_card(target) == before
    assert [path.name for path in target.parent.iterdir()] == ["titles"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_precision_asked_for_is_taken(precision: Precision, checkpoint: Path, tmp_path: Path):
    card = export_model(
        checkpoint, tmp_path / "tiny", precision=precision, training={}, data={}, defaults={}
    )
    assert card.precision == precision
    assert (tmp_path / "tiny" / "model.onnx").stat().st_size == card.graph_bytes[precision]


def test_auto_takes_int8_only_where_it_is_measured_to_be_as_good():
    limit = 10 * (1 + PERPLEXITY_TOLERANCE)
    assert choose("auto", {"fp32": 10, "int8": 9.9}) == "int8"
    assert choose("auto", {"fp32": 10, "int8": limit - 0.001}) == "int8"
    assert choose("auto", {"fp32": 10, "int8": limit + 0.001}) == "fp32"
    assert choose("auto", {}) == "fp32"


def test_a_name_that_could_not_be_served_is_refused_before_any_work(
    checkpoint: Path, tmp_path: Path
):
    with pytest.raises(UserError, match="cannot be a name"):
        export_model(checkpoint, tmp_path / "My Model", training={}, data={}, defaults={})


def test_the_command_prints_what_was_measured(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    target = tmp_path / "models" / "titles"
    runs = ["--runs-dir", str(run.path.parent)]
    assert main(["export", "--run", "titles", *runs, "--to", str(target)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith(f"{target}: 39,392 parameters, logits within ")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["precision", "fp32", "int8"]
    assert out.count("<- chosen") == 1


def test_a_directory_is_exported_and_measured_on_a_text(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    held_out = tmp_path / "held-out.txt"
    held_out.write_text("What would you do if you could fly? " * 20)
    words = ["export", "--model", str(checkpoint), "--to", str(tmp_path / "tiny")]
    assert main([*words, "--data", str(held_out), "--short-texts"]) == 0
    card = read_card(tmp_path / "tiny")
    assert card.prepend_end_token
    assert card.perplexity["fp32"] > 1
    assert "tiny: 39,392 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--run", "nowhere"], "There is no run 'nowhere'"),
        (["--run", "../../x"], "cannot be a name"),
        (["--model", "nowhere"], "it has no config.json"),
    ],
)
def test_wrong_sources_end_with_a_sentence_and_status_1(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    runs = ["--runs-dir", str(tmp_path)]
    assert main(["export", *words, *runs, "--to", str(tmp_path / "x")]) == 1
    assert sentence in capsys.readouterr().err


def test_held_out_data_that_is_no_text_is_refused_with_a_sentence(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" * 10)
    words = ["export", "--model", str(checkpoint), "--to", str(tmp_path / "x")]
    assert main([*words, "--data", str(tmp_path / "photo.jpg")]) == 1
    assert "cannot be read as held-out text" in capsys.readouterr().err
