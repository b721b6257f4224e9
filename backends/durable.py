"""Write files and directories so that a crash at any moment leaves the old or the new, whole.

The recipe: a temporary sibling, fsync of every file and directory, then a rename.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def durable_file(target: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on leaving without an error it becomes `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _sibling(target, "partial")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def durable_directory(target: Path) -> Iterator[Path]:
    """Give an empty temporary directory to fill; on leaving without an error it becomes `target`.

    A directory that was there before is moved aside first and removed last.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _sibling(target, "partial")
    temporary.mkdir()
    try:
        yield temporary
        for path in (*temporary.rglob("*"), temporary):
            sync(path)
        _move_in(temporary, target)
        sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync(path: Path) -> None:
    """Flush a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move_in(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    old = _sibling(target, "old")
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _sibling(target: Path, kind: str) -> Path:
    """Return a hidden path beside `target`, so that a rename stays on one file system."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.{kind}")
