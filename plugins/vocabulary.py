"""What a plugin speaks: settings, commands, filters, and what a command is given when it runs.

The bot's own commands and settings are made of the same words, and every platform, the config
check, the autocomplete and the docs read them.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from backends import Chunk, ModelInfo, Prompt, UserError, Value

Kind = Literal["text", "integer", "number", "boolean"]
Completion = Literal["", "model", "setting", "value", "command"]
"""Where the proposals of an option come from while a user types; "" has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A typed value with bounds: an option of a command or, as `Setting`, a channel's value."""

    name: str
    """Lower-case letters, digits and `_`, at most 32 characters (Discord's rule for names)."""
    kind: Kind
    help: str
    """One sentence, at most 100 characters (Discord's limit)."""
    default: Value | None = None
    required: bool = False
    minimum: float | None = None
    """Lowest number allowed."""
    maximum: float | None = None
    """Highest number allowed; for text the most characters."""
    choices: tuple[str, ...] = ()
    complete: Completion = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Option):
    """A value that each channel has. Its default is the lowest layer and never `None`."""

    per_request: bool = False
    """Whether commands that take settings (`/generate`) offer it as an option for one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asked, and where. Identifiers are the platform's own, as text."""

    id: str
    """Unique for each event: the same id twice is the same event delivered again."""
    platform: str
    """`web`, `console`, `discord` or `slack`."""
    guild: str | None
    """The guild (Discord) or workspace (Slack); `None` in a direct message."""
    channel: str
    user: str
    user_name: str = ""
    channel_name: str = ""
    category: str | None = None
    thread: str | None = None
    is_admin: bool = False
    """Whether the platform says that this user may administer this place."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text on its way to the reader. Each `part` becomes a message of its own."""

    text: str
    part: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The value of a setting in one place, and the layer that decided it."""

    key: str
    value: Value
    layer: str
    """`built-in`, `model card`, `config`, `guild`, `category`, `channel`, `thread`, `request`."""
    set_by: str | None = None
    """The name of the user who set it; `None` for a default or a config file."""
    set_at: datetime | None = None


Scope = Literal["guild", "category", "channel", "thread"]
"""The layers that an admin can write."""


class Settings(Protocol):
    """The settings of the place a request came from."""

    def declared(self) -> Sequence[Setting]:
        """All settings there are, plugins' included, in the order to show them."""
        ...

    def value(self, key: str) -> Value:
        """The value that counts for this request. Raises `UserError` for an unknown key."""
        ...

    def decision(self, key: str) -> Decision:
        """The value together with the layer that decided it. Raises `UserError` likewise."""
        ...

    async def set(self, key: str, raw: object, scope: Scope = "channel") -> Decision:
        """Check and store a value for this place. Raises `UserError` where it does not fit."""
        ...

    async def reset(self, key: str, scope: Scope = "channel") -> Decision:
        """Forget the stored value; what then counts is returned."""
        ...


class Models(Protocol):
    """The models that this bot can use."""

    async def names(self) -> Sequence[str]:
        """Names of all models, listed in the config or found in the models folder, sorted."""
        ...

    async def info(self, name: str) -> ModelInfo:
        """What is known of a model. Raises `UserError` for an unknown or broken one."""
        ...


class Context(Protocol):
    """What a running command is given."""

    @property
    def request(self) -> Request:
        """Who asked, and where."""
        ...

    @property
    def options(self) -> Mapping[str, Value]:
        """The command's options as given and checked; those not given and without default lack."""
        ...

    @property
    def settings(self) -> Settings:
        """The settings of the place, with per-request options as the last layer."""
        ...

    @property
    def models(self) -> Models:
        """The models that this bot can use."""
        ...

    @property
    def commands(self) -> Sequence["Command"]:
        """All commands of the bot, in the order to show them."""
        ...

    async def is_opted_out(self) -> bool:
        """Whether the asker is to be left out when models are made of chat logs."""
        ...

    async def opt_out(self, *, out: bool) -> None:
        """Put the asker on the opt-out list, or take them off; on the disk when this returns."""
        ...

    def generate(self, prompt: Prompt, model: str | None = None) -> AsyncIterator[Chunk]:
        """Write with the channel's model (or another), through filters, after a place in the queue.

        Raises `UserError`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something a user can ask for by name, on every platform."""

    name: str
    """One word (`generate`) or two (`settings show`), lower case."""
    help: str
    """One sentence, at most 100 characters."""
    run: Callable[[Context], AsyncIterator[Piece]]
    """An async generator; what it yields goes to the reader as it comes."""
    options: tuple[Option, ...] = ()
    """Required ones first. On platforms with typed commands the first takes what is not named."""
    example: str = ""
    takes_settings: bool = False
    """Every per-request setting, plugins' included, is a further option, for this one request."""
    admin: bool = False
    """Only admins may run it."""
    private: bool = False
    """The answer is for the asker's eyes, where the platform can do that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Looks at every text on its way. Leave out the side that it does not need."""

    name: str
    before: Callable[[Prompt, Request], Prompt] | None = None
    """Changes the prompt, or refuses it by raising `UserError`."""
    after: Callable[[AsyncIterator[Chunk], Request], AsyncIterator[Chunk]] | None = None
    """Changes the stream of chunks; it must pass on each index's last chunk."""


__all__ = [
    "Command",
    "Completion",
    "Context",
    "Decision",
    "Filter",
    "Kind",
    "Models",
    "Option",
    "Piece",
    "Request",
    "Scope",
    "Setting",
    "Settings",
    "UserError",
    "Value",
]
