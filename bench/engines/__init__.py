"""The engines that are measured, a file each, behind one face."""

import os
from collections.abc import Sequence
from typing import Protocol

TEMPERATURE = 1.0
TOP_P = 0.95
REPETITION_PENALTY = 1.1


class Engine(Protocol):
    """One side of a comparison, loaded and ready."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def write(self, prompts: Sequence[str], new_tokens: int, seed: int) -> int:
        """Continue all prompts at once with full sampling; returns how many tokens that made."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def cores() -> int:
    """Return how many cores this process may use; every side gets as many threads."""
    if hasattr(os, "sched_getaffinity"):  # only Linux has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
