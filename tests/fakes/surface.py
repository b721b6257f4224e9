"""A surface that remembers everything that was shown on it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class RecordingSurface:
    """Shows nothing; `messages` is what a reader would see."""

    limit: int = 2000
    pace: float = 0.0
    max_messages: int = 5
    measure: Callable[[str], int] = len
    messages: list[str] = field(default_factory=list[str])
    versions: list[list[str]] = field(default_factory=list[list[str]])
    """Every text that each message has had."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    refusals: list[str] = field(default_factory=list[str])
    notices: list[str] = field(default_factory=list[str])
    finished: int = 0
    """How often `done` was called."""
    failing: list[Exception] = field(default_factory=list[Exception])
    """Raised by the next edits, one each."""
    failing_posts: list[Exception] = field(default_factory=list[Exception])
    shown: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever something appears."""

    def length(self, text: str) -> int:
        return self.measure(text)

    async def notice(self, text: str) -> None:
        await asyncio.sleep(0)
        assert not self.messages, "a notice stands for the answer, never beside it"
        self.notices.append(text)
        self.shown.set()

    async def post(self, text: str) -> object:
        await asyncio.sleep(0)
        if self.failing_posts:
            raise self.failing_posts.pop(0)
        self._check(text)
        self.messages.append(text)
        self.versions.append([text])
        self.shown.set()
        return len(self.messages) - 1

    async def edit(self, message: object, text: str) -> None:
        await asyncio.sleep(0)
        if self.failing:
            raise self.failing.pop(0)
        self._check(text)
        assert isinstance(message, int)
        self.messages[message] = text
        self.versions[message].append(text)
        self.shown.set()

    async def attach(self, filename: str, text: str) -> None:
        self.files[filename] = text
        self.shown.set()

    async def refuse(self, sentence: str) -> None:
        self.refusals.append(sentence)
        self.shown.set()

    async def done(self) -> None:
        self.finished += 1

    def _check(self, text: str) -> None:
        assert text.strip(), "a platform refuses an empty message"
        assert self.length(text) <= self.limit, "a platform refuses a message that is too long"
