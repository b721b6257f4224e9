"""Runs of the real command, killed and starved: what was saved is whole, and goes on exactly."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.waiting import PATIENCE
from trainer.checkpoint import verify_checkpoint
from trainer.runs import Run

ROOT = Path(__file__).parent.parent.parent
TITLES = [f"What would you do with {n} {what}?" for n in range(60) for what in ("cats", "dogs")]
WORDS = (
    "finetune", "titles.txt", "--model", "fresh:tiny", "--vocabulary", "320", "--batch-size", "4",
    "--steps", "40", "--eval-every", "4", "--no-export", "--threads", "1",
)  # fmt: skip
PYTHON = (sys.executable, "-m", "trainer")
RESTARTS = ("env", "PET_MAX_RESTARTS=2")
"""torchrun's option as a variable."""
TORCHRUN = (
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
    "-m", "--", "trainer",
)  # fmt: skip


def _prepared(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.chdir(folder)
    patch.setenv("PYTHONPATH", str(ROOT))
    patch.setenv("OMP_NUM_THREADS", "1")
    Path("titles.txt").write_text("\n".join(TITLES), encoding="utf-8")


# The unbroken run comes first: it has a folder of its own.
@pytest.fixture(autouse=True)
def _titles(
    unbroken: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _prepared(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The curve of a run that nothing happens to."""
    with pytest.MonkeyPatch.context() as patch:
        _prepared(patch, tmp_path_factory.mktemp("unbroken"))
        done(PYTHON, *WORDS, "--run", "ask")
        return curve("ask")


def started(
    program: Sequence[str], *words: str, limit: Callable[[], None] | None = None
) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own command
        [*program, *words], stderr=subprocess.PIPE, text=True, preexec_fn=limit
    )


def done(program: Sequence[str], *words: str, limit: Callable[[], None] | None = None) -> str:
    """What it said; it must have ended well, or with 1 where it has a limit."""
    process = started(program, *words, limit=limit)
    said = process.communicate()[1]
    assert process.returncode == (1 if limit else 0), said
    return said


def run_of(name: str) -> Run:
    return Run(Path("runs") / name)


def curve(name: str) -> list[dict[str, Any]]:
    """A run's metrics without its speed, which no two runs share."""
    lines = run_of(name).metrics.read_text().splitlines()
    return [{**json.loads(line), "tokens_per_s": None} for line in lines]


def losses(rows: list[dict[str, Any]]) -> list[float]:
    keys = ("train_loss", "val_loss")
    return [row[key] for row in rows for key in keys if row[key] is not None]


def lines(name: str) -> int:
    path = run_of(name).metrics
    return path.read_text().count("\n") if path.exists() else 0


def wait(process: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    """Return when the condition holds or the process has ended."""
    deadline = time.monotonic() + 4 * PATIENCE
    while process.poll() is None and not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_run_killed_at_random_moments_and_resumed_equals_the_unbroken_one(
    unbroken: list[dict[str, Any]],
):
    moments, kills, words = random.Random(4), 0, [*WORDS, "--run", "ask"]
    while kills < 3:
        process = started(PYTHON, *words)
        seen = lines("ask") + moments.randint(1, 4)
        wait(process, lambda seen=seen: lines("ask") >= seen)
        time.sleep(moments.random() * 0.05)  # while it saves, as likely as not
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        for path in (run_of("ask").best, run_of("ask").last):
            if path.exists():
                verify_checkpoint(path)
        kills += 1
        words = ["finetune", "--run", "ask", "--resume", "--no-export", "--threads", "1"]
    done(PYTHON, *words)
    assert curve("ask") == unbroken


def test_a_full_disk_is_a_sentence_and_leaves_the_checkpoint_before():
    done(PYTHON, *WORDS, "--run", "ask", "--steps", "8")

    def no_more_than_a_megabyte() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    words = ["finetune", "--run", "ask", "--resume", "--no-export", "--threads", "1"]
    said = done(PYTHON, *words, "--steps", "40", limit=no_more_than_a_megabyte)
    assert "runs/ask cannot be written" in said
    assert "Traceback" not in said
    verify_checkpoint(run_of("ask").last)
    assert json.loads((run_of("ask").last / "state.json").read_text())["step"] == 8
    assert sorted(path.name for path in run_of("ask").last.parent.iterdir()) == ["best", "last"]


def test_where_the_last_checkpoint_is_damaged_the_one_before_leads_to_the_same_curve(
    unbroken: list[dict[str, Any]],
):
    process = started(PYTHON, *WORDS, "--run", "ask")
    wait(process, lambda: lines("ask") >= 6)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert "Stopped and saved at step" in said
    with (run_of("ask").last / "model.safetensors").open("r+b") as file:
        file.seek(5_000)
        file.write(b"damage")
    words = ["finetune", "--run", "ask", "--resume", "--no-export", "--threads", "1"]
    assert "runs/ask/checkpoints/last is damaged: model.safetensors has changed" in done(
        PYTHON, *words
    )
    assert curve("ask") == unbroken


def worker(parent: int, rank: int) -> psutil.Process | None:
    """The process of that rank that torchrun has started."""
    for child in psutil.Process(parent).children():
        try:
            if child.environ().get("RANK") == str(rank):
                return child
        except psutil.Error:
            continue
    return None


def test_two_processes_learn_as_one_does_and_go_on_where_one_of_them_is_killed(
    unbroken: list[dict[str, Any]],
):
    said = done(TORCHRUN, *WORDS, "--run", "two")
    assert said.count("Looking for duplicates") == 1
    # bfloat16, where the machine has it, rounds to three digits.
    assert losses(curve("two")) == pytest.approx(losses(unbroken), rel=0.02)

    process = started((*RESTARTS, *TORCHRUN), *WORDS, "--run", "killed")
    for rank in (1, 0):
        seen = lines("killed") + 3
        wait(process, lambda seen=seen: lines("killed") >= seen)
        victim = worker(process.pid, rank)
        assert victim is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait(PATIENCE)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert said.count("going on from step") == 2
    assert curve("killed") == curve("two")


def test_bad_input_to_several_processes_is_said_once():
    words = ["finetune", "none.txt", "--model", "fresh:tiny", "--run", "ask"]
    process = started(TORCHRUN, *words)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert said.count("none.txt cannot be read") == 1
    assert "Stopped." not in said
