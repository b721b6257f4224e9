"""The line in which prompts wait for their turn: bounded at both ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from backends import UserError


class WaitingLine:
    """Lets `concurrent` prompts through at a time and keeps `waiting` more, first come first."""

    def __init__(self, concurrent: int, waiting: int) -> None:
        self._turn = asyncio.Semaphore(concurrent)
        self._room = waiting
        self._waiting = 0

    def check_room(self) -> None:
        """Raise `UserError` where the line is full."""
        if self._turn.locked() and self._waiting >= self._room:
            raise UserError("The bot is busy and its waiting line is full. Ask again in a minute.")

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Wait for a turn and keep it until the block ends.

        Raises `UserError` at once where the line is full.
        """
        self.check_room()
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()
