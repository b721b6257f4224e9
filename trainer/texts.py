"""Read texts from files piece by piece, without those that nobody could learn from."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backends import UserError
from trainer.chats.chat_reader import ChatReader
from trainer.chats.message import Message
from trainer.duplicates import KEPT, NEAR
from trainer.files import Part, gather
from trainer.readers import registry
from trainer.settings import Settings


@dataclass
class Texts:
    """The texts of some files, and after reading them what was dropped and why."""

    settings: Settings
    parts: list[Part]
    skipped: Counter[str]
    """Files of folders that are not read, by reason."""
    dropped: Counter[str] = field(default_factory=Counter)
    copies: NDArray[np.uint8] | None = None
    """For each text in order whether it is a copy to leave out, as `duplicates.find` told it."""

    @classmethod
    def of(cls, settings: Settings) -> "Texts":
        """The texts of what the settings name as data. Raises `UserError` where that is none."""
        return cls(settings, *gather(settings))

    @property
    def long(self) -> bool:
        """Whether all pieces together are one text."""
        return len(self.parts) == 1 and self.parts[0].format == registry.LONG

    def __iter__(self) -> Iterator[str]:
        """Yield one text at a time; of long text a stretch of lines.

        Raises `UserError` where a file is not what it looked like.
        """
        self.dropped.clear()
        number = 0
        for part in self.parts:
            part.rows = 0
            for text in self._of(part):
                if self._is_kept(number):
                    part.rows += 1
                    yield text
                number += 1

    def of_people(self) -> Iterator[Message]:
        """Yield the messages of all chats among the files, without those that are left out."""
        for part in self.parts:
            reader = registry.READERS[part.format]
            if isinstance(reader, ChatReader):
                file = part.look(self.settings.encoding)
                with file.sentences():
                    yield from reader.messages_of_people(file, self.settings)

    def _is_kept(self, number: int) -> bool:
        if self.copies is None:
            return True
        if number >= len(self.copies):
            raise UserError("The data changed while it was read: start again when it is settled.")
        copy = self.copies[number]
        if copy != KEPT:
            self.dropped["near duplicates" if copy == NEAR else "duplicates"] += 1
        return bool(copy == KEPT)

    def _of(self, part: Part) -> Iterator[str]:
        """One file's texts, cleaned."""
        file = part.look(self.settings.encoding)
        with file.sentences():
            texts = registry.READERS[part.format].read(file, self.settings, self.dropped)
            for text in texts if self.long else self._cleaned(texts):
                if _is_unicode(text):
                    yield text
                else:
                    self.dropped["with half a character"] += 1

    def _cleaned(self, texts: Iterator[str]) -> Iterator[str]:
        """Strip each text and leave out empty, too short and too long ones."""
        least, most = self.settings.min_length or 0, self.settings.max_length
        for text in texts:
            stripped = text.strip()
            if not stripped:
                self.dropped["blank"] += 1
            elif len(stripped) < least:
                self.dropped[f"shorter than {least:,} characters"] += 1
            elif most and len(stripped) > most:
                self.dropped[f"longer than {most:,} characters"] += 1
            else:
                yield stripped


def _is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8; a lone half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
