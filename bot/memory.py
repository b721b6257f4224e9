"""The memory that all open models share: who holds how much of it, and what is left."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

from backends import Backend, Measured, UserError

MB = 1_000_000


class Memory:
    """A budget in bytes; 0 is no limit. It counts, and leaves closing to its owner."""

    def __init__(self, budget: int) -> None:
        self._budget = budget or math.inf
        self._held: dict[object, int] = {}
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[object]:
        """Whoever holds some."""
        return iter(tuple(self._held))

    def check(self, name: str, need: int) -> None:
        """Raise `UserError` where a model alone is larger than the budget."""
        if not self.holds(need):
            raise UserError(
                f"The model {name} needs {need / MB:,.0f} MB and all models together may have "
                f"{self._budget / MB:,.0f} MB. Choose a smaller one, or ask the operator to raise "
                "memory_mb."
            )

    def holds(self, need: int) -> bool:
        """Whether so many bytes could be had if all others left."""
        return need <= self._budget

    def lacks(self, need: int) -> bool:
        """Whether so many bytes are more than is left."""
        return sum(self._held.values()) + need > self._budget

    def hold(self, owner: object, size: int) -> None:
        """Count bytes as an owner's."""
        self._held[owner] = size

    def release(self, owner: object) -> None:
        """Give an owner's bytes back."""
        self._held.pop(owner, None)
        self.tell()

    def tell(self) -> None:
        """Wake those who wait: something was given back, or could be."""
        self._changed.set()

    async def change(self) -> None:
        """Wait until something is told."""
        self._changed.clear()
        await self._changed.wait()


def size_on_disk(path: Path | None) -> int:
    """Bytes of a model's files: what it needs at least once it is open. 0 where it has none."""
    if path is None:
        return 0
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def memory_of(backend: Backend, at_least: int) -> int:
    """Bytes that an open model holds: what it says itself, or else what is known."""
    return backend.load().memory_bytes if isinstance(backend, Measured) else at_least
