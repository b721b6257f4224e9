"""`/optout`: whoever uses it is left out when models are made of chat logs."""

from collections.abc import AsyncIterator, Callable

from plugins.hookspecs import hookimpl
from plugins.vocabulary import Command, Context, Piece

_OUT = (
    "You are on this bot's opt-out list. Models that are made of chat logs with that list do not "
    "learn from your messages; models that were made before are not changed."
)
_IN = "You are not on this bot's opt-out list. /optout on puts you on it."


async def _on(context: Context) -> AsyncIterator[Piece]:
    await context.opt_out(out=True)
    yield Piece(_OUT)


async def _off(context: Context) -> AsyncIterator[Piece]:
    await context.opt_out(out=False)
    yield Piece(_IN)


async def _status(context: Context) -> AsyncIterator[Piece]:
    yield Piece(_OUT if await context.is_opted_out() else _IN)


COMMANDS = (
    Command(
        name="optout on",
        help="Be left out when models are made of chat logs.",
        run=_on,
        example="/optout on",
        private=True,
    ),
    Command(
        name="optout off",
        help="No longer be left out when models are made of chat logs.",
        run=_off,
        example="/optout off",
        private=True,
    ),
    Command(
        name="optout status",
        help="Tell whether you are left out when models are made of chat logs.",
        run=_status,
        example="/optout status",
        private=True,
    ),
)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Offer the three."""
    for command in COMMANDS:
        register(command)
