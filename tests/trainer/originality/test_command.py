import json
import shutil
from pathlib import Path

import pytest

from backends.model_directory import read_card
from tests.trainer.conftest import TITLES
from trainer.cli import main
from trainer.export import export_run
from trainer.runs import Run

Output = pytest.CaptureFixture[str]


def originality(run: Run, *words: str) -> int:
    folder = str(run.path.parent)
    return main(["originality", "--run", run.name, "--runs-dir", folder, *words])


def written(tmp_path: Path, *texts: str) -> str:
    file = tmp_path / "written.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(file)


def test_copies_are_found_and_shown_with_their_source(
    titles_run: Run, tmp_path: Path, capsys: Output
):
    copy, near = TITLES[7], TITLES[7].replace("would", "should")
    file = written(tmp_path, copy, near, "Something else entirely", "and more of it")
    assert originality(titles_run, "--texts", file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["training_texts"] == 50
    assert (told["model"]["exact_copies"], told["model"]["near_copies"]) == (0.25, 0.25)
    assert told["model"]["with_run"]["6"] == 0.5
    assert told["people"]["exact_copies"] == 0
    assert told["people"]["texts"] == 4
    first = told["most_copied"][0]
    assert (first["text"], first["source"], first["exact"]) == (copy, copy, True)


def test_the_table_has_the_models_and_the_peoples_figures_side_by_side(
    titles_run: Run, tmp_path: Path, capsys: Output
):
    assert originality(titles_run, "--texts", written(tmp_path, TITLES[7], "Something else")) == 0
    out = capsys.readouterr().out
    assert "2 texts and 2 held-out texts of people, held against 50 training texts" in out
    [line] = [line for line in out.splitlines() if line.startswith("exact copies")]
    assert line.split() == ["exact", "copies", "50.0", "%", "0.0", "%"]
    assert f"copied: the whole text\n    from:   {TITLES[7]}" in out


def test_a_run_writes_the_texts_itself_and_its_figures_go_to_the_card(
    titles_run: Run, tmp_path: Path, capsys: Output
):
    run = Run(tmp_path / "runs" / "titles")
    shutil.copytree(titles_run.path, run.path)
    words = ("--n", "3", "--seed", "1", "--temperature", "1", "--max-tokens", "20")
    assert originality(run, *words, "--json", "--write-card") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"]["texts"] == 3
    figures = read_card(run.path / "model").originality
    assert figures == {key: value for key, value in told.items() if key != "most_copied"}
    assert export_run(run, tmp_path / "again", precision="fp32").originality == figures


def test_a_model_directory_is_held_against_the_file_it_was_trained_on(
    tiny_model: Path, tmp_path: Path, capsys: Output
):
    data = tmp_path / "titles.txt"
    data.write_text("\n".join(TITLES))
    words = ["originality", "--model", str(tiny_model), "--texts", written(tmp_path, TITLES[3])]
    assert main([*words, "--data", str(data)]) == 0
    shown = capsys.readouterr()
    assert "There are no held-out texts of people to compare with." in shown.err
    assert "1 texts, held against 60 training texts" in shown.out
    assert "people" not in shown.out
    assert main([*words, "--data", str(data), "--held-out", str(data)]) == 0
    assert "people" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("", "holds no texts"), ('{"text": "?!"}\n', "There is no word in 1 texts")],
)
def test_texts_without_words_end_with_a_sentence(
    content: str, sentence: str, titles_run: Run, tmp_path: Path, capsys: Output
):
    file = tmp_path / "written"
    file.write_text(content)
    assert originality(titles_run, "--texts", str(file)) == 1
    assert sentence in capsys.readouterr().err


def test_a_model_alone_is_asked_for_its_training_texts(tiny_model: Path, capsys: Output):
    assert main(["originality", "--model", str(tiny_model)]) == 1
    assert "--model needs --data" in capsys.readouterr().err


def test_a_number_of_texts_below_one_is_refused(titles_run: Run, capsys: Output):
    assert originality(titles_run, "--n", "0") == 1
    assert "--n must be at least 1" in capsys.readouterr().err
