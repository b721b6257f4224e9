"""A reader of texts made of a module that reads messages."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from trainer.chats import styles
from trainer.chats.message import Message
from trainer.chats.people import LeftOut
from trainer.readers.data_file import DataFile
from trainer.settings import Settings


class Chat(Protocol):
    """A module that reads one kind of chat log."""

    @property
    def PLATFORM(self) -> str:  # noqa: N802 - a constant of the module
        """As the bot calls it, for its opt-out list."""
        ...

    def looks_like(self, file: DataFile) -> str:
        """Return why the file is such a log, or `""`."""
        ...

    def messages(self, file: DataFile, dropped: Counter[str]) -> Iterator[Message]:
        """Yield messages in their order, and count what is none; raises `UserError`."""
        ...


@dataclass(frozen=True)
class ChatReader:
    """A `trainer.readers.registry.Reader` of one kind of chat log."""

    chat: Chat

    def looks_like(self, file: DataFile) -> str:
        """Ask the chat's module."""
        return self.chat.looks_like(file)

    def notes(self, file: DataFile, settings: Settings) -> str:
        """Say what the messages become, and how they may become something else."""
        if settings.person:
            return "each message of one person is a text"
        return "conversations with names (--person NAME takes one person's messages)"

    def read(self, file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
        """Yield texts in the style asked for."""
        left_out = self._left_out(file, settings)
        yield from styles.texts(self.chat.messages(file, dropped), left_out, settings, dropped)

    def messages_of_people(self, file: DataFile, settings: Settings) -> Iterator[Message]:
        """Yield the messages that texts are made of, or would be in another style."""
        left_out, dropped = self._left_out(file, settings), Counter[str]()
        messages = self.chat.messages(file, dropped)
        yield from (
            message for message, _ in styles.of_people(messages, left_out, settings, dropped)
        )

    def _left_out(self, file: DataFile, settings: Settings) -> LeftOut:
        return LeftOut(settings, self.chat.PLATFORM, _Again(self.chat, file))


@dataclass(frozen=True)
class _Again:
    """The messages of a file, from the start whenever somebody goes through them."""

    chat: Chat
    file: DataFile

    def __iter__(self) -> Iterator[Message]:
        return self.chat.messages(self.file, Counter())
