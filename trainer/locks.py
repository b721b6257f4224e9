"""A run, on which one process at a time works."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends import UserError
from trainer.runs import Run


@contextmanager
def run_lock(run: Run) -> Iterator[None]:
    """Hold a run, which need not exist yet, until the block ends.

    The lock is the kernel's, on a file beside the run: it goes with the process, however that
    ends. Raises `UserError` where another process has it, or the file cannot be made.
    """
    path = _path(run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _opened(path)
    except OSError as error:
        raise UserError(f"The run {run.path} cannot be locked: {error.strerror}.") from error
    if lock is None:
        raise UserError(f"Another process works on the run {run.path}: wait for it, or stop it.")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def in_use(run: Run) -> bool:
    """Whether a process works on the run now."""
    try:
        lock = os.open(_path(run), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _path(run: Run) -> Path:
    return run.path.with_name(f".{run.name}.lock")


def _opened(path: Path) -> int | None:
    """A descriptor that holds the lock, or `None` where another process does."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have removed the file since it was opened.
            if path.exists() and path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        os.close(lock)
