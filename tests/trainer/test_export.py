import json
import math
from pathlib import Path

import numpy as np
import pytest
from transformers import GPT2LMHeadModel

from backends import UserError
from backends.model_directory import Precision, read_card, sha256_of, verify_model
from backends.word_index import FILES, open_word_index
from tests.models import END, tiny_checkpoint, tiny_tokenizer
from trainer.choice import PRECISIONS
from trainer.cli import main
from trainer.export import export_model, export_run
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
    measured = ["fp32", "int8", "int8-block", "int4"]
    assert list(card.perplexity) == list(card.tokens_per_s) == list(card.graph_bytes) == measured


def test_a_parity_failure_writes_nothing_and_keeps_the_old_model(run: Run, tmp_path: Path):
    target = tmp_path / "models" / "titles"
    before = export_run(run, target)
    with pytest.raises(UserError, match="does not match PyTorch"):
        export_run(run, target, parity_tolerance=0.0)
    assert read_card(target) == before
    assert [path.name for path in target.parent.iterdir()] == ["titles"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_asked_for_is_taken(precision: Precision, checkpoint: Path, tmp_path: Path):
    card = export_model(
        checkpoint, tmp_path / "tiny", precision=precision, training={}, data={}, defaults={}
    )
    assert card.precision == precision
    assert (tmp_path / "tiny" / "model.onnx").stat().st_size == card.graph_bytes[precision]


def test_auto_without_held_out_text_builds_fp32_only(checkpoint: Path, tmp_path: Path):
    card = export_model(checkpoint, tmp_path / "tiny", training={}, data={}, defaults={})
    assert (card.precision, set(card.graph_bytes)) == ("fp32", {"fp32"})


def test_a_precision_whose_numbers_overflow_is_refused(checkpoint: Path, tmp_path: Path):
    model = GPT2LMHeadModel.from_pretrained(checkpoint)
    model.state_dict()["transformer.h.0.mlp.c_fc.bias"].fill_(1e5)  # 16 bits end at 65,504
    model.save_pretrained(checkpoint)
    facts = {"training": {}, "data": {}, "defaults": {}, "validation": HELD_OUT}
    # So large numbers leave fp32 few digits for the small ones.
    more = {"precision": "fp16", "parity_tolerance": math.inf}
    with pytest.raises(UserError, match="In fp16 the numbers of this model overflow"):
        export_model(checkpoint, tmp_path / "models" / "tiny", **facts, **more)
    assert not (tmp_path / "models").exists() or list((tmp_path / "models").iterdir()) == []


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
    measured = ["precision", "fp32", "int8", "int8-block", "int4"]
    assert [line.split()[0] for line in out.splitlines()[1:]] == measured
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


def test_an_index_of_the_training_texts_is_exported_where_it_is_asked_for(run: Run, tmp_path: Path):
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(run.tokenizer))
    end = tokenizer.token_to_id(END)
    np.save(run.training, [end, *tokenizer.encode("What would you do if?").ids, end])
    target = tmp_path / "models" / "titles"
    words = ["export", "--run", run.name, "--to", str(target), "--runs-dir", str(run.path.parent)]
    assert main([*words, "--precision", "fp32"]) == 0
    assert not verify_model(target).files.keys() & set(FILES.values())
    assert main([*words, "--precision", "fp32", "--originality-index"]) == 0
    assert verify_model(target).files.keys() >= set(FILES.values())
    index = open_word_index(target, "titles")
    assert index.longest(index.numbers(["would", "you", "do", "so"]))[0] == 3


def test_an_index_without_a_run_is_refused(checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    words = ["export", "--model", str(checkpoint), "--to", str(checkpoint.parent / "tiny")]
    assert main([*words, "--originality-index"]) == 1
    assert "--originality-index needs --run" in capsys.readouterr().err


def test_what_was_measured_of_a_run_stands_on_its_card(run: Run, tmp_path: Path):
    facts = json.loads(run.about.read_text())
    facts |= {"originality": {"exact_copies": 0.1}, "evaluation": {"perplexity": 9.5}}
    run.about.write_text(json.dumps(facts))
    card = export_run(run, tmp_path / "titles", precision="fp32")
    assert (card.originality, card.evaluation) == ({"exact_copies": 0.1}, {"perplexity": 9.5})
