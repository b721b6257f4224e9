"""The hub's real client against a hub of our own on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import constants

from tests.fakes.fake_hub import TOKEN, FakeHub, fake_hub
from tests.models import tiny_checkpoint
from trainer.cli import main
from trainer.runs import Run
from trainer.settings import Settings, write_settings

Output = pytest.CaptureFixture[str]
ABOUT = {
    "training": {
        "command": "python -m trainer finetune /home/ada/secret.csv", "model": "124M", "seed": 1,
        "steps": 1200, "best_step": 1000, "tokens": 5_000_000, "train_loss": 3.1, "val_loss": 3.25,
    },
    "data": {
        "rows": 15_978, "training_tokens": 424_013, "validation_tokens": 21_656,
        "source": "my own: titles", "licence": "CC0", "consent": "",
    },
    "originality": {"texts": 100, "exact": 0.0},
    "base": "openai-community/gpt2",
    "base_licence": "Modified MIT (OpenAI)",
}  # fmt: skip


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)  # HF_ENDPOINT, read when imported
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    run = Run(Path("runs/titles"))
    tiny_checkpoint(run.best)
    (run.best / "optimizer.safetensors").write_bytes(b"of the training")
    write_settings(Settings(data="secret.csv", model="124M"), run.config)
    run.about.write_text(json.dumps(ABOUT), encoding="utf-8")
    return run


def push(*words: str, to: str = "ada/titles") -> int:
    return main(["push", "--run", "titles", "--to", to, *words])


def head_of(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_model_and_its_card_are_on_the_hub_afterwards(hub: FakeHub, run: Run, capsys: Output):
    assert push("--private") == 0
    assert f"{hub.url}/ada/titles" in capsys.readouterr().out
    files = hub.repositories["ada/titles"]
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert "optimizer.safetensors" not in files
    assert files["model.safetensors"] == (run.best / "model.safetensors").read_bytes()
    assert hub.private == {"ada/titles"}
    card = files["README.md"].decode()
    assert head_of(card) == {
        "library_name": "transformers", "pipeline_tag": "text-generation",
        "tags": ["chinwag", "finetuned"], "license": "mit", "base_model": "openai-community/gpt2",
    }  # fmt: skip
    for said in (
        "3.250 nats",
        "15,978 texts",
        "source: my own: titles",
        '"texts": 100',
        "Modified",
    ):
        assert said in card
    assert "secret" not in card
    assert push() == 0  # again, into what is there


def test_a_dry_run_shows_the_card_and_uploads_nothing(hub: FakeHub, capsys: Output):
    assert push("--dry-run") == 0
    shown = capsys.readouterr()
    assert head_of(shown.out)["base_model"] == "openai-community/gpt2"
    assert "model.safetensors" in shown.err
    assert hub.repositories == {}


def test_what_the_hub_refuses_is_a_sentence_without_the_token(
    hub: FakeHub, capsys: Output, monkeypatch: pytest.MonkeyPatch
):
    hub.forbidden = {"others/titles"}
    assert push(to="others/titles") == 1
    assert "may not write to others/titles" in capsys.readouterr().err
    hub.broken = True
    assert push() == 1
    said = capsys.readouterr().err
    assert "refused ada/titles (500)" in said
    assert TOKEN not in said
    hub.broken = False
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert push() == 1
    said = capsys.readouterr().err
    assert "does not accept the token" in said
    assert "hf_wrong" not in said
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert push() == 1
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["titles", "a/b/c", "../x", "ada/ti tles", "/x", "ada/"])
def test_a_name_that_is_none_is_a_sentence(to: str, capsys: Output):
    assert push(to=to) == 1
    assert "give OWNER/NAME" in capsys.readouterr().err


def test_a_run_without_a_checkpoint_or_facts_is_a_sentence(run: Run, capsys: Output):
    run.about.write_text("[]")
    assert push("--dry-run") == 1
    assert "cannot be read" in capsys.readouterr().err
    (run.best / "config.json").unlink()
    assert push("--dry-run") == 1
    assert "has no checkpoint yet" in capsys.readouterr().err
