import json
import shutil
from pathlib import Path

import pytest

from backends.model_directory import read_card
from tests.models import tiny_checkpoint
from trainer.cli import main
from trainer.generate import model_of
from trainer.runs import Run

Output = pytest.CaptureFixture[str]


def generate(*words: str) -> int:
    return main(["generate", "--temperature", "1", *words])


def texts(out: str) -> list[str]:
    """Split what gpt-2-simple's users split."""
    return out.split("\n====================\n")[:-1]


def test_texts_are_printed_with_gpt_2_simples_delimiter(tiny_model: Path, capsys: Output):
    words = ("--model", str(tiny_model), "--seed", "1", "--max-tokens", "9", "--prefix", "What")
    assert generate(*words, "--n", "3") == 0
    written = texts(capsys.readouterr().out)
    assert len(written) == 3
    assert all(text.startswith("What") for text in written)


def test_one_text_stands_alone(tiny_model: Path, capsys: Output):
    assert generate("--model", str(tiny_model), "--seed", "1", "--max-tokens", "9") == 0
    assert "====" not in capsys.readouterr().out


def test_any_number_of_texts_is_written_and_a_seed_writes_them_again(
    tiny_model: Path, tmp_path: Path
):
    file = tmp_path / "out.jsonl"
    words = ("--model", str(tiny_model), "--seed", "5", "--max-tokens", "3", "--json")
    assert generate(*words, "--n", "130", "--to-file", str(file)) == 0
    many = [json.loads(line) for line in file.read_text().splitlines()]
    assert [text["seed"] for text in many] == list(range(5, 135))
    assert set(many[0]) == {"text", "seed", "finish_reason", "tokens"}
    assert generate(*words, "--n", "130", "--to-file", str(file)) == 0
    assert [json.loads(line) for line in file.read_text().splitlines()] == many


def test_truncate_and_include_prefix_count_together_and_alone(tiny_model: Path, capsys: Output):
    words = ("--model", str(tiny_model), "--seed", "1", "--max-tokens", "20", "--prefix", "What")

    def written(*more: str) -> str:
        assert generate(*words, *more, "--json") == 0
        return json.loads(capsys.readouterr().out)["text"]

    new = written("--no-include-prefix")
    assert written() == "What" + new
    stop = new[5]
    assert written("--truncate", stop, "--no-include-prefix") == new.split(stop)[0]
    assert written("--truncate", stop) == "What" + new.split(stop)[0]
    never = "never to be found"
    assert written("--truncate", never) == "What" + new
    assert written("--truncate", never, "--no-include-prefix") == new


def test_a_file_is_written_whole_with_the_delimiter_after_every_text(
    tiny_model: Path, tmp_path: Path, capsys: Output
):
    file = tmp_path / "out.txt"
    words = ("--model", str(tiny_model), "--seed", "1", "--max-tokens", "5")
    assert generate(*words, "--n", "2", "--to-file", str(file)) == 0
    assert file.read_text().endswith("\n====================\n")
    assert len(texts(file.read_text())) == 2
    assert capsys.readouterr().out == ""


def test_an_error_leaves_no_file_behind(tiny_model: Path, tmp_path: Path, capsys: Output):
    file = tmp_path / "out.txt"
    words = ("--model", str(tiny_model), "--prefix", "\x01" * 100)
    assert generate(*words, "--to-file", str(file)) == 1
    assert "The prefix has 100 tokens" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_no_option_says_the_card_says(tiny_model: Path, tmp_path: Path, capsys: Output):
    model = shutil.copytree(tiny_model, tmp_path / "tiny")
    card = json.loads((model / "card.json").read_text())
    card["defaults"] = {"prefix": "ROMEO:", "max_tokens": 4, "include_prefix": True}
    (model / "card.json").write_text(json.dumps(card))
    assert generate("--model", str(model), "--seed", "1", "--json") == 0
    text = json.loads(capsys.readouterr().out)
    assert text["text"].startswith("ROMEO:")
    assert text["tokens"] <= 4
    assert generate("--model", str(model), "--seed", "1", "--prefix", "What", "--json") == 0
    assert json.loads(capsys.readouterr().out)["text"].startswith("What")


def test_a_run_writes_with_its_best_checkpoint_exported_once(tmp_path: Path):
    run = Run(tmp_path / "runs" / "titles")
    tiny_checkpoint(run.best, seed=1)
    model = model_of(run, tmp_path / "models")
    made = read_card(model).created
    assert model == run.path / "model"
    assert read_card(model_of(run, tmp_path / "models")).created == made


def test_a_run_that_learned_more_is_exported_again(tmp_path: Path):
    run = Run(tmp_path / "runs" / "titles")
    tiny_checkpoint(run.best, seed=1)
    first = read_card(model_of(run, tmp_path / "models"))
    shutil.rmtree(run.best)
    tiny_checkpoint(run.best, seed=2)
    assert read_card(model_of(run, tmp_path / "models")).weights_sha256 != first.weights_sha256


def test_a_runs_exported_model_is_used_where_it_is_up_to_date(tmp_path: Path):
    run = Run(tmp_path / "runs" / "titles")
    tiny_checkpoint(run.best, seed=1)
    own = model_of(run, tmp_path / "models")
    shutil.copytree(own, tmp_path / "models" / "titles")
    assert model_of(run, tmp_path / "models") == tmp_path / "models" / "titles"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--n", "0"], "--n must be at least 1"),
        (["--temperature", "99"], "temperature must be between 0 and 5, not 99"),
        (["--temperature", "-1"], "temperature must be between 0 and 5, not -1"),
        (["--top-p", "1.5"], "top_p must be between 0 and 1"),
    ],
)
def test_values_out_of_bounds_end_with_a_sentence(
    words: list[str], sentence: str, tiny_model: Path, capsys: Output
):
    assert generate("--model", str(tiny_model), *words) == 1
    assert sentence in capsys.readouterr().err


def test_a_temperature_that_is_no_number_is_wrong_use(tiny_model: Path):
    with pytest.raises(SystemExit) as ended:
        generate("--model", str(tiny_model), "--temperature", "hot")
    assert ended.value.code == 2


def test_a_directory_that_is_no_model_ends_with_a_sentence(tmp_path: Path, capsys: Output):
    assert generate("--model", str(tmp_path)) == 1
    assert "is not a model directory" in capsys.readouterr().err
