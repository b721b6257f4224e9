"""One sitting of training: from settings to a run with checkpoints, in a command or a notebook.

    run = Run(Path("runs/ask"))
    with run_lock(run):
        finetune(Settings(data="titles.csv", model="fresh:tiny", steps=200), run)

Whatever it changes in the process, such as PyTorch's threads and seed or the signals' handlers, is
put back at the end; so a run can be trained after another, and both written with.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
import transformers

from backends import UserError
from trainer import full_disk, out_of_memory
from trainer.about import write_about
from trainer.checkpoint import State
from trainer.interrupt import stop_requests
from trainer.loop import train
from trainer.lr_finder import find_rate
from trainer.planning import plan_run
from trainer.prepare import prepare
from trainer.processes import Processes, rank, together
from trainer.progress import Progress
from trainer.record import Record, forget_after
from trainer.runs import Run
from trainer.session import open_session
from trainer.settings import Settings, rewrite_settings


def finetune(
    settings: Settings,
    run: Run,
    *,
    resume: bool = False,
    threads: int | None = None,
    command_line: Sequence[str] = (),
    memory_gb: float | None = None,
    find_lr: bool = False,
) -> State:
    """Train `run`, which the caller has locked, anew unless it is resumed; gives where it stands.

    Under torchrun this is the main process's part, and the others `join`. The first Ctrl-C or
    SIGTERM saves and ends it with the state `stopped`. Raises `UserError` where the data or the
    model is unusable, or memory or disk is full.
    """
    with (
        full_disk.sentences(run),
        _as_it_was(threads),
        together() as team,
        Progress() as progress,
    ):
        if not resume:
            settings = prepare(settings, run, progress)
            settings = plan_run(settings, run, memory_gb, progress.say)
            rewrite_settings(settings, run.config)
        team.agreed((settings, run))
        if find_lr and not resume:
            if team.count > 1:
                raise UserError("--find-lr works in one process: find --lr before torchrun.")
            trial = open_session(settings, run, lambda _: None, team)
            settings = replace(settings, lr=find_rate(trial, progress.say))
            del trial
            rewrite_settings(settings, run.config)
        session = open_session(settings, run, progress.say, team)
        forget_after(run, session.state.step)
        write_about(run, settings, session.state, command_line)
        with (
            stop_requests(
                lambda: progress.say("Stopping after this step; once more to stop without saving.")
            ) as stopping,
            Record(run, progress, session.state.step) as record,
        ):
            state = train(session, record, stopping)
        write_about(run, settings, state, command_line)
    return state


def join(threads: int | None = None) -> State:
    """Train what the main process trains, in another one that torchrun started."""
    with _as_it_was(threads), together() as team:
        settings, run = _told(team)
        session = open_session(settings, run, _say, team)
        with stop_requests(lambda: None) as stopping:
            return train(session, None, stopping)


def _told(team: Processes) -> tuple[Settings, Run]:
    told = team.agreed(None)
    assert told is not None  # noqa: S101 - the main process never agrees to nothing
    return told


def _say(line: str) -> None:
    sys.stderr.write(f"process {rank()}: {line}\n")


@contextmanager
def _as_it_was(threads: int | None) -> Generator[None]:
    """Set up PyTorch and transformers for a sitting, and put back what was set before."""
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    verbosity = transformers.logging.get_verbosity()
    # Its warning that a prompt ends with the end token is beside the point: texts begin with it.
    transformers.logging.set_verbosity_error()
    if threads:
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")  # TF32 where bfloat16 is not used
    try:
        with torch.random.fork_rng(), out_of_memory.sentences():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
        transformers.logging.set_verbosity(verbosity)
