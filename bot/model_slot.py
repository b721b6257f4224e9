"""The place of one model's name: the version that serves, and the one that is being opened."""

import asyncio
import logging
from dataclasses import dataclass, field

from backends import Backend, Load, Measured, UserError

log = logging.getLogger(__name__)

Version = tuple[int, int, int]
"""Changes whenever a model directory is replaced."""

_RETRY = 60.0
"""Seconds after which a new version that could not be opened is tried again."""


@dataclass(eq=False)
class Opened:
    """An open model, and how many requests use it."""

    slot: "Slot"
    version: Version | None
    backend: Backend
    memory: int
    """Bytes."""
    users: int = 0
    retired: bool = False
    """Whether new requests no longer get it."""
    closing: bool = False
    last_used: float = 0.0
    unload: asyncio.TimerHandle | None = None

    @property
    def wanted(self) -> bool:
        """Whether a request uses it or is about to."""
        return bool(self.users or (self.slot.current is self and self.slot.waiters))

    def keep(self) -> None:
        """Do not unload it for now."""
        if self.unload is not None:
            self.unload.cancel()

    def load(self) -> Load:
        """How busy it is, as far as it can tell."""
        if isinstance(self.backend, Measured):
            return self.backend.load()
        return Load(running=self.users, memory_bytes=self.memory)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A new version that could not be opened."""

    version: Version | None
    at: float
    sentence: str


@dataclass(eq=False)
class Slot:
    """The place of one name: one model for new requests, and at most one opening."""

    current: Opened | None = None
    opening: "asyncio.Task[Opened] | None" = None
    waiters: int = 0
    """Requests that wait for the opening."""
    queued: bool = False
    """Whether the opening waits for memory."""
    refusal: Refusal | None = None
    learnt: "dict[Version | None, int]" = field(default_factory=dict["Version | None", int])
    """The bytes that the newest version opened held, which its files may not tell."""
    removed: bool = False

    def is_due(self, version: Version | None) -> bool:
        """Whether a version is to be opened: it is not open, and was not refused a moment ago."""
        if self.current is None:
            return True
        if self.current.version == version:
            return False
        refusal, now = self.refusal, asyncio.get_running_loop().time()
        return refusal is None or refusal.version != version or now - refusal.at > _RETRY

    def refuse(self, name: str, version: Version | None, problem: Exception) -> None:
        """Keep the version before where a new one could not be opened, and say so in the log."""
        told = isinstance(problem, UserError)
        log.warning(
            "the new version of model %s cannot be opened, the one before goes on: %s",
            name,
            problem,
            exc_info=None if told else problem,
        )
        sentence = str(problem) if told else "It cannot be opened; the log says why."
        self.refusal = Refusal(version, asyncio.get_running_loop().time(), sentence)
