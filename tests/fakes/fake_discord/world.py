"""What the fake Discord knows: people, channels, messages, interactions, registered commands."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

DISCORD_EPOCH = 1_420_070_400_000
"""Milliseconds; the zero of the time inside a Discord id."""
TOKEN_LIFE = 15 * 60
"""Seconds for which an interaction's token works."""
EPHEMERAL = 1 << 6
LOADING = 1 << 7
"""Flags of a message."""

_counter = itertools.count(1)


def snowflake(age: float = 0) -> str:
    """A new id, as old as asked (seconds)."""
    milliseconds = int((time.time() - age) * 1000) - DISCORD_EPOCH
    return str((milliseconds << 22) | (next(_counter) & 0x3FFFFF))


@dataclass(frozen=True, slots=True)
class Person:
    """A user. An admin holds Manage Server everywhere."""

    name: str
    id: str = field(default_factory=snowflake)
    admin: bool = False
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A text channel (type 0), category (4), public thread (11) or direct message (1)."""

    name: str
    type: int = 0
    parent: str | None = None
    id: str = field(default_factory=snowflake)


@dataclass(slots=True, eq=False)
class Message:
    """A message as it is now."""

    channel: str
    author: Person
    content: str = ""
    id: str = field(default_factory=snowflake)
    versions: list[str] = field(default_factory=list)
    """Every content it has had; a placeholder ("thinking…") has none."""
    ephemeral: bool = False
    loading: bool = False
    pings: bool = False
    """Whether any version of it notified anybody."""
    reply_to: str | None = None
    file_name: str | None = None
    file: str | None = None
    deleted: bool = False

    def show(self, content: str, pings: bool) -> None:
        self.content, self.loading = content, False
        self.pings = self.pings or pings
        self.versions.append(content)


@dataclass(slots=True, eq=False)
class Interaction:
    """A command that somebody sent, and what the bot made of it."""

    id: str
    token: str
    type: int
    channel: str
    user: Person
    expired: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    original: Message | None = None
    choices: list[Json] | None = None
    """The proposals of an autocompletion."""


@dataclass(slots=True)
class World:
    """All of it."""

    token: str
    bot: Person
    owner: Person = field(default_factory=lambda: Person("owner", admin=True))
    """Of the guild and of the application."""
    application: str = field(default_factory=snowflake)
    guild: str = field(default_factory=snowflake)
    people: dict[str, Person] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    interactions: dict[str, Interaction] = field(default_factory=dict)
    """By token."""
    commands: dict[str | None, list[Json]] = field(default_factory=dict)
    """What the bot registered: for everybody (None) or for a guild."""
    nonces: dict[str, Message] = field(default_factory=dict)

    def add_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        return channel

    def message(self, message_id: str) -> Message | None:
        found = (message for message in self.messages if message.id == message_id)
        return next((message for message in found if not message.deleted), None)


def pings(content: str, allowed: Json | None, replies: bool = False) -> bool:
    """Whether a content notifies anybody under a request's `allowed_mentions` (None: not given)."""
    if allowed is None:
        return replies or any(mark in content for mark in ("@everyone", "@here", "<@"))
    parse = allowed.get("parse") or []
    return (
        ("everyone" in parse and ("@everyone" in content or "@here" in content))
        or (bool("users" in parse or allowed.get("users")) and "<@" in content)
        or (bool("roles" in parse or allowed.get("roles")) and "<@&" in content)
        or (replies and bool(allowed.get("replied_user")))
    )
