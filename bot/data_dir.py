"""The data directory, of which one process at a time has the use."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from backends import UserError

DATABASE = "chinwag.sqlite3"


@contextmanager
def data_directory(path: Path) -> Generator[Path]:
    """Make the directory if need be, and keep other processes out until the block ends.

    The lock is the kernel's: it goes with the process, however that ends.
    Raises `UserError` where another process has it, or it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"The data directory {path} cannot be used: {error.strerror}.") from error
    try:
        _take(lock, path)
        yield path
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        raise UserError(
            f"Another chinwag (process {holder}) uses the data directory {path}. Stop it, or give "
            "this one another data_dir."
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
