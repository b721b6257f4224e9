"""Passing lines for those who wait: where they stand, said now and then until text comes."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from bot.waiting_line import Ticket

PATIENCE = 1.0
"""Seconds that anybody waits without a word: most waits are over by then."""

PAUSE = 5.0
"""Seconds between two notices: a full line must not use up a platform's edits."""

Tell = Callable[[str], None]
"""Takes the newest notice; it is shown when the surface comes to it."""


@asynccontextmanager
async def notices(tell: Tell, sentence: Callable[[], str]) -> AsyncGenerator[None]:
    """Tell what `sentence` says, whenever it says something else, until the block ends."""
    telling = asyncio.create_task(_tell(tell, sentence))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(tell: Tell, sentence: Callable[[], str]) -> None:
    told = ""
    await asyncio.sleep(PATIENCE)
    while True:
        if (now := sentence()) != told:
            tell(now)
            told = now
        await asyncio.sleep(PAUSE)


def standing(ticket: Ticket, model: str) -> str:
    """Where a request stands: in the line, or with a model that is not in memory yet."""
    if ticket.admitted:
        return f"The model {model} is being opened."
    place = f"You are number {ticket.position} in the line"
    return f"{place}." if ticket.seconds is None else f"{place}: {_about(ticket.seconds)} to go."


def _about(seconds: float) -> str:
    """Seconds as one would say them: an estimate is no more exact than that."""
    if seconds <= 50:
        return f"about {max(5, 5 * math.ceil(seconds / 5))} s"
    return f"about {math.ceil(seconds / 60)} min"
