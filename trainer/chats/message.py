"""One message of a chat, whatever the platform."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """What one person said at one time."""

    author: str
    """The platform's identifier of who said it; on IRC the name."""
    name: str
    """As it is shown."""
    text: str
    channel: str
    time: float | None
    """Seconds since some moment that is the same for the channel; `None` where it is not known."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Identifiers and further names of the author and of those who are mentioned."""
    is_bot: bool = False
    is_system: bool = False
    """Whether the platform wrote it: that somebody joined, say."""
    thread: str = ""
    """What tells threads of the channel apart; `""` for what stands in the channel itself."""

    @property
    def names(self) -> set[str]:
        """What the author may be asked for by, each as `plain` makes it: names and identifier."""
        own = (name for identifier, name in self.aliases if identifier == self.author)
        return {plain(name) for name in (self.author, self.name, *own)} - {""}


def plain(name: str) -> str:
    """A name as it is compared: without an @, in small letters."""
    return name.strip().lstrip("@").casefold()


def word(record: Any, key: str) -> str:
    """The text under a key of a parsed record; `""` where there is none. Numbers count as text."""
    value = record.get(key) if isinstance(record, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        # Python refuses to write integers of thousands of digits.
        return str(value) if value.bit_length() < 128 else ""
    return value if isinstance(value, str) else ""


def elements(record: Any, key: str) -> list[Any]:
    """The list under a key of a parsed record; empty where there is none."""
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, list) else []
