import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backends import UserError
from trainer.locks import in_use, run_lock
from trainer.runs import Run

HOLDER = """
import sys
from pathlib import Path
from trainer.locks import run_lock
from trainer.runs import Run
with run_lock(Run(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_another_process_holds_is_refused_until_that_is_killed(tmp_path: Path):
    run = Run(tmp_path / "runs" / "ask")
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", HOLDER, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert in_use(run)
        with pytest.raises(UserError, match="Another process works on the run"), run_lock(run):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert not in_use(run)
        with run_lock(run):
            assert in_use(run)


def test_a_lock_leaves_nothing_behind_and_may_be_taken_again(tmp_path: Path):
    run = Run(tmp_path / "ask")
    for _ in range(2):
        with run_lock(run):
            assert in_use(run)
        assert list(tmp_path.iterdir()) == []
        assert not in_use(run)


def test_two_runs_are_held_apart(tmp_path: Path):
    with run_lock(Run(tmp_path / "ask")), run_lock(Run(tmp_path / "stage")):
        assert in_use(Run(tmp_path / "stage"))


def test_a_folder_that_cannot_hold_a_lock_is_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be locked"), run_lock(Run(tmp_path / "file/ask")):
        pass
