"""The contract between the bot's core and a chat platform.

A platform turns its events into `Call`s, acknowledges at once, hands each call to a `Dispatcher`
together with the `Surface` on which the answer is to appear, and does nothing else: no settings,
no splitting, no sentences for errors of its own making.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from plugins.vocabulary import Command, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command that a user asked for, not yet checked."""

    request: Request
    command: str
    """The command's full name, such as `generate` or `settings set`."""
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    """Options as the platform gave them, by name; the dispatcher parses and checks them."""


class Surface(Protocol):
    """The place where the answer to one call appears.

    Any method may raise what the platform's library raises: the reply writer reports it once.
    """

    @property
    def limit(self) -> int:
        """The longest message, in what `length` counts."""
        ...

    def length(self, text: str) -> int:
        """What `text` counts against `limit`, escapes and the platform's way of counting included.

        Never shorter than a beginning of the same text, and no character counts less than one.
        """
        ...

    @property
    def pace(self) -> float:
        """The least seconds between two edits of this surface; 0 is as fast as text comes."""
        ...

    @property
    def max_messages(self) -> int:
        """Longer answers become a file after this many messages."""
        ...

    async def notice(self, text: str) -> None:
        """Show a passing line to the asker who waits, or replace the one before.

        It is no part of the answer: the first `post`, `refuse` or `done` takes its place. A surface
        without a way to take it back shows none.
        """
        ...

    async def post(self, text: str) -> object:
        """Show a new message; the handle that `edit` takes is returned. Nothing in it pings."""
        ...

    async def edit(self, message: object, text: str) -> None:
        """Replace the whole text of a message. Nothing in it pings."""
        ...

    async def attach(self, filename: str, text: str) -> None:
        """Show a text as a file (UTF-8), where it is too long for messages."""
        ...

    async def refuse(self, sentence: str) -> None:
        """Show an error, to the asker alone where the platform can, and end the wait."""
        ...

    async def done(self) -> None:
        """Called once, last, however the call ended: take away spinners and the like."""
        ...


class Dispatcher(Protocol):
    """What a platform needs of the core (`bot.router.Router` is the one)."""

    @property
    def commands(self) -> Sequence[Command]:
        """All commands, to be offered to users."""
        ...

    async def dispatch(self, call: Call, surface: Surface) -> None:
        """Run a call to its end. Every exception but cancellation becomes a sentence.

        Cancelling the awaiting task cancels the call and frees its work at once; what was
        written so far stays.
        """
        ...

    async def complete(
        self, request: Request, command: str, option: str, typed: str, given: Mapping[str, object]
    ) -> list[str]:
        """At most 25 proposals for an option while a user types; `given` are the other options."""
        ...


class Platform(Protocol):
    """A chat platform that the bot serves."""

    @property
    def name(self) -> str:
        """`web`, `console`, `discord` or `slack`."""
        ...

    @property
    def ready(self) -> bool:
        """Whether users can reach the bot here now."""
        ...

    async def serve(self) -> None:
        """Serve until cancelled; then take no new calls, end the running ones and clean up.

        Raises `UserError` where the platform cannot start (a taken port, a refused token).
        """
        ...
