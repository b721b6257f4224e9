"""Memory that a training step frees is kept for the next step.

glibc gives large blocks back to the system as soon as they are free, and the system fills them with
zeros, page by page, when they are wanted again: up to a third of a step's time on the CPU.
"""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""Parameters of glibc's `mallopt`, by the numbers that `malloc.h` gives them."""
USUAL = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20, MMAP_MAX: 65_536}
"""What glibc itself arrives at in a process that frees large blocks; once set, it stays there."""
KEEPING = {TRIM_THRESHOLD: 2**31 - 1, MMAP_MAX: 0}
"""No block gets a mapping of its own, and the heap shrinks only where 2 GiB at its end are free."""


@contextmanager
def kept() -> Generator[None]:
    """Keep what is freed, and give it back at the end. Does nothing with other C libraries."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt") or not hasattr(libc, "gnu_get_libc_version"):
        yield
        return
    _set(libc, KEEPING)
    try:
        yield
    finally:
        _set(libc, USUAL)
        libc.malloc_trim(0)


def _set(libc: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        libc.mallopt(parameter, value)
