"""What lies in the fake workspace: people, channels, messages, and who is notified by them."""

import re
from dataclasses import dataclass, field
from itertools import count

TEAM = "T0FAKE"
BOT_USER = "U0BOT"
BOT_ID = "B0BOT"

_CONTROL = re.compile(r"<(?:@[UW]\w+|!(?:channel|here|everyone)|!subteam\^\w+)(?:\|[^>]*)?>")
_TYPED_NAME = re.compile(r"(?<![\w])@(?:channel|here|everyone|[a-z]\w*)")


@dataclass(slots=True)
class Message:
    """A message of the bot. `raw` is what was sent: `&`, `<` and `>` mean something in it."""

    channel: str
    ts: str
    raw: str
    thread_ts: str | None = None
    private_to: str | None = None
    """The user who alone sees it."""
    file: str | None = None
    """The text of a shared file."""
    pinged: bool = False
    """Whether this version or an earlier one notified anybody."""
    versions: list[str] = field(default_factory=list[str])
    """All texts shown, the present one last."""

    @property
    def text(self) -> str:
        """What a reader sees."""
        return shown(self.raw)

    def write(self, raw: str, *, link_names: bool, parse: str) -> None:
        """Show a first or a further version."""
        self.raw = raw
        self.versions.append(shown(raw))
        named = (link_names or parse == "full") and bool(_TYPED_NAME.search(raw))
        self.pinged = self.pinged or named or bool(_CONTROL.search(raw))


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the workspace."""

    id: str
    name: str
    is_admin: bool = False


class Workspace:
    """People, the channels that the bot is in, and the messages of the bot, oldest first."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.joined = {"C0GENERAL"}
        self.messages: list[Message] = []
        self._clock = count(1)

    def person(self, name: str, *, admin: bool = False) -> Person:
        """Let somebody be there, with the rights they have now."""
        person = Person(f"U0{name.upper()}", name, admin)
        self.people[person.id] = person
        return person

    def next_ts(self) -> str:
        """A timestamp, which is a message's name within its channel."""
        return f"1700000000.{next(self._clock):06}"

    def find(self, channel: str, ts: str) -> Message | None:
        """A message that can be edited: one that everybody sees."""
        here = (m for m in self.messages if m.channel == channel and m.ts == ts)
        return next((message for message in here if message.private_to is None), None)


def typed(text: str) -> str:
    """What Slack hands to apps when a person types this text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shown(raw: str) -> str:
    """What a person reads when an app sends this."""
    return raw.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
