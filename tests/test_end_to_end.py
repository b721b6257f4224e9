"""The main job: a text file becomes a model, and the model answers on all four platforms."""

import json
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from backends.model_directory import verify_model
from backends.word_index import open_word_index, words_of
from bot.core import Core
from tests.bot import test_console as console
from tests.bot.discord_app import driver as discord
from tests.bot.slack_driver import running_slack
from tests.bot.web import driver as web
from tests.contract import Driver, Watched, words
from tests.core import ask, request, running_core

ROOT = Path(__file__).parent.parent
SPEECHES = (
    "ROMEO:\nBut soft, what light through yonder window breaks?\n",
    "JULIET:\nO Romeo, Romeo, wherefore art thou Romeo?\n",
    "MERCUTIO:\nA plague on both your houses, they have made worms' meat of me.\n",
    "NURSE:\nMadam, your mother craves a word with you.\n",
)
SETTINGS = {
    "model": "stage",
    "prefix": "ROMEO:",
    "temperature": 0,
    "max_tokens": 24,
}


def trainer(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the trainer as a model maker does."""
    return subprocess.run(  # noqa: S603 - our own interpreter and package
        [sys.executable, "-m", "trainer", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a play was finetuned on and exported, with the commands of the README."""
    folder = tmp_path_factory.mktemp("workshop")
    play = "\n".join(SPEECHES[number % len(SPEECHES)] for number in range(400))
    (folder / "play.txt").write_text(play, encoding="utf-8")
    done = trainer(
        "finetune", "play.txt", "--model", "fresh:tiny", "--run", "stage", "--prefix", "ROMEO:",
        "--steps", "40", "--eval-every", "20", "--context", "32", "--batch-size", "16",
        "--originality-index",
        folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_the_run_tells_its_losses_and_the_model_directory_is_whole(workshop: Path):
    metrics = (workshop / "runs/stage/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["train_loss"] for line in metrics]
    assert losses[-1] < losses[0]
    assert verify_model(workshop / "models/stage").defaults["prefix"] == "ROMEO:"


def test_the_trainer_writes_with_the_model(workshop: Path):
    done = trainer(
        "generate", "--model", "models/stage", "--n", "3", "--seed", "1", "--json", folder=workshop
    )
    texts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [text["seed"] for text in texts] == [1, 2, 3]
    assert all(text["text"].startswith("ROMEO:") for text in texts)


async def test_the_model_answers_the_same_on_all_four_platforms(workshop: Path, tmp_path: Path):
    config = {"models_dir": workshop / "models", "settings": SETTINGS}
    async with running_core(tmp_path, config) as core, AsyncExitStack() as stack:
        answers: dict[str, list[str]] = {}
        for name, start in {
            "discord": discord.driving,
            "slack": running_slack,
            "web": web.driving,
            "console": console.TestConsole().start,
        }.items():
            watched = Watched(core.router)
            driver: Driver = await stack.enter_async_context(start(watched))
            await driver.call("generate", {"text": "But soft"})
            await watched.quiet(1)
            await driver.say("But soft")
            await watched.quiet(2)
            answers[name] = words(driver.seen())
        half = len(answers["web"]) // 2
        written = answers["web"][:half]
        assert " ".join(written).startswith("ROMEO: But soft")
        assert len(written) > 3
        assert answers == {name: [*written, *written] for name in answers}


async def test_a_channel_whose_model_copies_can_forbid_it(workshop: Path, tmp_path: Path):
    admin = request(is_admin=True)
    index = open_word_index(workshop / "models/stage", "stage")

    async def longest(core: Core) -> int:
        [answer] = (await ask(core, "generate", text="But soft")).messages
        numbers = index.numbers(words_of(answer))
        assert len(numbers) > 6
        return max(index.longest(numbers[start:])[0] for start in range(len(numbers)))

    config = {"models_dir": workshop / "models", "settings": SETTINGS}
    async with running_core(tmp_path, config) as core:
        assert await longest(core) > 3
        await ask(core, "settings set", of=admin, key="max_copied_words", value="3")
        assert await longest(core) == 3
