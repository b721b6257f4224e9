import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends import UserError
from tests.models import tiny_checkpoint
from trainer import models, prepare
from trainer.progress import Progress
from trainer.runs import Run
from trainer.settings import Settings, read_settings

QUESTIONS = "".join(f"What is {n}?\nWhy is it {n}?\n" for n in range(50))


def prepared(tmp_path: Path, name: str, content: str, **more: Any) -> tuple[Settings, Run]:
    path, run = tmp_path / name, Run(tmp_path / "run")
    path.write_text(content, encoding="utf-8")
    model = str(tiny_checkpoint(tmp_path / "base"))
    settings = Settings(data=str(path), model=model, **more)
    with Progress() as progress:
        return prepare.prepare(settings, run, progress), run


def test_what_was_left_open_is_chosen_and_written_down(tmp_path: Path):
    settings, run = prepared(tmp_path, "a.txt", QUESTIONS)
    assert settings == read_settings(run.config)
    assert settings.context == prepare.SHORTEST_CONTEXT
    assert settings.batch_size == prepare.TOKENS_PER_STEP // prepare.SHORTEST_CONTEXT
    assert settings.lr == models.PRETRAINED_LR
    assert settings.epochs == prepare.PRETRAINED_EPOCHS


def test_what_was_asked_for_is_kept(tmp_path: Path):
    asked = {"context": 9, "batch_size": 3, "lr": 0.5, "minutes": 2.0}
    settings, _ = prepared(tmp_path, "a.txt", QUESTIONS, **asked)
    assert {name: getattr(settings, name) for name in asked} == asked
    assert settings.epochs is None


def test_the_context_is_a_power_of_two_that_holds_nearly_every_text(tmp_path: Path):
    lines = [*(f"{n:02}{'Z' * 38}" for n in range(99)), "Z" * 400]
    settings, run = prepared(tmp_path, "a.txt", "\n".join(lines))
    assert settings.context == 64
    assert len(np.load(run.training)) + len(np.load(run.validation)) > 99 * 41


def test_the_manifest_says_where_the_data_came_from_and_what_was_dropped(tmp_path: Path):
    facts = {"source": "me", "licence": "MIT", "consent": "the authors"}
    rows = QUESTIONS.replace("\n", "\n\n") + "what  IS 7?\n"
    _, run = prepared(tmp_path, "a.csv", "title\n" + rows, **facts)
    manifest = json.loads(run.manifest.read_text())
    assert {key: manifest[key] for key in facts} == facts
    assert manifest["rows"] == 100
    assert manifest["dropped"] == {"blank": 100, "duplicates": 1}
    assert len(manifest["sha256"]) == 64


def test_a_run_that_cannot_be_written_is_a_sentence(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text(QUESTIONS)
    with Progress() as progress, pytest.raises(UserError, match="cannot be written to"):
        prepare.prepare(Settings(str(path), "fresh:tiny"), Run(path / "run"), progress)


def test_three_texts_and_the_first_columns_lot_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    prepared(tmp_path, "a.csv", "title,score\n" + "".join(f"What is {n}?,1\n" for n in range(99)))
    shown = capsys.readouterr().err
    assert "a.csv: csv, utf-8, header left out, column 'title'" in shown
    assert [line.strip() for line in shown.splitlines() if line.startswith("  | ")] == [
        f"| What is {n}?" for n in range(3)
    ]


def read_to_learn(words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """Characters that a fresh tokenizer was given of 5,000 texts made with `words`."""
    given: list[str] = []
    learn = models.train_tokenizer

    def listening(texts: Iterable[str], vocabulary: int) -> Any:
        given.extend(texts)
        return learn(given, vocabulary)

    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{words.format(n)}\n" for n in range(5000)), encoding="utf-8")
    monkeypatch.setattr(models, "train_tokenizer", listening)
    with Progress() as progress:
        prepare.prepare(Settings(str(path), "fresh:tiny"), Run(tmp_path / "run"), progress)
    return sum(map(len, given))


def test_a_tokenizer_learns_from_no_more_than_the_first_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prepare, "TOKENIZER_CHARACTERS", 1_000)
    assert 1_000 <= read_to_learn("What is it with {}?", monkeypatch, tmp_path) < 1_050


def test_a_tokenizer_learns_from_no_more_words_than_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prepare, "TOKENIZER_WORDS", 5_000)
    assert read_to_learn("今日は{}番目の質問です", monkeypatch, tmp_path) < 5_000
    monkeypatch.setattr(prepare, "TOKENIZER_WORDS", 50_000)
    assert read_to_learn("What is it with {}?", monkeypatch, tmp_path / "b") > 90_000
