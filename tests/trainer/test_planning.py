import json
import tomllib
from pathlib import Path

import pytest

from tests.models import tiny_checkpoint
from trainer import eight_bit, loop, models
from trainer.cli import main
from trainer.plan import FRESH_LADDER, LADDER, Technique
from trainer.planning import techniques
from trainer.settings import Settings

TITLES = [f"What would you do with {n} cats?" for n in range(200)]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "SAMPLE_TOKENS", 4)
    Path("titles.txt").write_text("\n".join(TITLES), encoding="utf-8")


def tried(**asked: object) -> list[Technique]:
    return techniques(Settings(**{"data": "titles.txt", "model": "124M", **asked}))  # pyright: ignore[reportArgumentType] - words


def test_what_was_asked_for_stays_in_every_technique_tried():
    assert tried() == list(LADDER)
    assert tried(model="fresh:tiny") == list(FRESH_LADDER)
    assert tried(lora=0) == list(LADDER[:4])
    assert {one.rank for one in tried(lora=4)} == {4}
    assert {one.optimizer for one in tried(optimizer="adamw")} == {"adamw"}
    assert not any(one.checkpointing for one in tried(gradient_checkpointing=False))
    assert tried(weights="bf16")[0] == Technique("adamw8bit", weights="bf16")


def test_without_bitsandbytes_it_is_not_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(eight_bit, "is_installed", lambda: False)
    assert {one.optimizer for one in tried()} == {"adamw"}
    assert {one.optimizer for one in tried(optimizer="adamw8bit")} == {"adamw8bit"}


def test_a_plan_for_a_published_size_needs_no_hub_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("transformers.utils.hub.is_offline_mode", lambda: True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setitem(models.ALIASES, "124M", "chinwag-tests/none")
    assert main(["finetune", "titles.txt", "--model", "124M", "--plan", "--memory-gb", "4"]) == 0
    said = capsys.readouterr().err
    assert "124,439,808 parameters" in said
    assert "counted with one learnt from the data" in said
    assert "of 4.00 GB" in said
    assert [path.name for path in Path().iterdir()] == ["titles.txt"]


def test_what_fits_is_what_the_run_is_trained_with(capsys: pytest.CaptureFixture[str]):
    tiny_checkpoint(Path("base"), layers=6, width=256)
    words = ["--model", "base", "--run", "ask", "--steps", "1", "--no-export", "--context", "32"]
    assert main(["finetune", "titles.txt", *words, "--memory-gb", "0.1"]) == 0
    kept = tomllib.loads(Path("runs/ask/config.toml").read_text())
    said = capsys.readouterr().err
    assert "Plan: " in said
    assert kept["gradient_checkpointing"] or kept["micro_batch"] < kept["batch_size"]
    assert main(["finetune", "--run", "ask", "--resume", "--steps", "2", "--no-export"]) == 0


def test_what_does_not_fit_is_refused(capsys: pytest.CaptureFixture[str]):
    words = ["--model", "fresh:large", "--plan", "--memory-gb", "0.2"]
    assert main(["finetune", "titles.txt", *words]) == 1
    assert "does not fit: take a smaller --model" in capsys.readouterr().err


def test_a_rate_that_was_found_is_the_runs_own(capsys: pytest.CaptureFixture[str]):
    tiny_checkpoint(Path("base"))
    words = ["--model", "base", "--run", "ask", "--steps", "2", "--no-export", "--find-lr"]
    assert main(["finetune", "titles.txt", *words, "--batch-size", "4"]) == 0
    kept = tomllib.loads(Path("runs/ask/config.toml").read_text())
    assert f"It falls fastest at {kept['lr']:.1e}" in capsys.readouterr().err
    state = json.loads(Path("runs/ask/checkpoints/last/state.json").read_text())
    assert state["step"] == 2


def test_only_a_plan_goes_without_the_name_of_a_run(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["finetune", "titles.txt", "--model", "fresh:tiny"])
    assert "--run NAME" in capsys.readouterr().err
