"""The line in which prompts wait for their turn at one model: fair, and bounded at both ends."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean

from backends import UserError
from bot.fair_queue import FairQueue, Whose
from plugins.vocabulary import Request

_EVIDENCE = 3
"""From so many measured turns on the line says how long one waits."""

_REMEMBERED = 20
"""How many of the last turns that is worked out from."""


def whose(request: Request) -> Whose:
    """Whom a request counts for: its guild and user; a direct message is a guild of its own."""
    guild = f"@{request.user}" if request.guild is None else request.guild
    return Whose(f"{request.platform}:{guild}", request.user)


@dataclass(eq=False)
class Ticket:
    """A place in the line, then at the model."""

    line: "WaitingLine"
    whose: Whose
    began: float = 0.0
    """When its turn began, on the line's clock."""
    _turn: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def admitted(self) -> bool:
        """Whether its turn has come."""
        return self._turn.is_set()

    async def turn(self) -> None:
        """Wait for the turn."""
        await self._turn.wait()

    def admit(self, now: float) -> None:
        """Let its turn begin."""
        self.began = now
        self._turn.set()

    @property
    def position(self) -> int:
        """How many turns it takes until this one's: 1 is next, 0 has it."""
        return 0 if self.admitted else self.line.position(self)

    @property
    def seconds(self) -> float | None:
        """About how long until the turn, from recent ones; `None` without evidence."""
        return self.line.seconds(self.position)


class WaitingLine:
    """Lets `concurrent` prompts through at a time and keeps `waiting` more, in fair turns.

    When the room is full, a guild of which nobody waits still gets one place, so that one guild
    cannot keep the others out; there are as many such places as there is room.
    """

    def __init__(
        self, concurrent: int, waiting: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._concurrent = concurrent
        self._room = waiting
        self._clock = clock
        self._queue = FairQueue[Ticket]()
        self._running = 0
        self._turns = deque[float](maxlen=_REMEMBERED)

    @property
    def running(self) -> int:
        """Prompts whose turn it is."""
        return self._running

    @property
    def waiting(self) -> int:
        """Prompts that wait for their turn."""
        return len(self._queue)

    def check_room(self, who: Whose) -> None:
        """Raise `UserError` where the line is full."""
        newcomer = not self._queue.has(who.guild)
        room = 2 * self._room if newcomer else self._room
        if self._running >= self._concurrent and len(self._queue) >= room:
            raise UserError("The bot is busy and its waiting line is full. Ask again in a minute.")

    @contextmanager
    def join(self, who: Whose) -> Generator[Ticket]:
        """Take a ticket; await its `turn`. Both the place in line and the turn end with the block.

        Raises `UserError` at once where the line is full.
        """
        self.check_room(who)
        ticket = Ticket(self, who)
        self._queue.put(who, ticket)
        self._admit()
        try:
            yield ticket
        finally:
            self._leave(ticket)

    def position(self, ticket: Ticket) -> int:
        """Where a waiting ticket stands, counted from 1. A fair line may yet let others before."""
        return self._queue.order().index(ticket) + 1

    def seconds(self, position: int) -> float | None:
        """About how long it takes until a position's turn; `None` without evidence."""
        if len(self._turns) < _EVIDENCE:
            return None
        return position * fmean(self._turns) / self._concurrent

    def _admit(self) -> None:
        while self._running < self._concurrent and self._queue:
            self._running += 1
            self._queue.take().admit(self._clock())

    def _leave(self, ticket: Ticket) -> None:
        if ticket.admitted:
            self._running -= 1
            self._turns.append(self._clock() - ticket.began)
        else:
            self._queue.remove(ticket.whose, ticket)
        self._admit()


class Lines:
    """A line for each model, so that a slow one keeps nobody from a fast one."""

    def __init__(self, concurrent: int, waiting: int) -> None:
        self._concurrent = concurrent
        self._waiting = waiting
        self._lines: dict[str, WaitingLine] = {}

    def of(self, model: str) -> WaitingLine:
        """The line of a model that is known to exist."""
        return self._lines.setdefault(model, WaitingLine(self._concurrent, self._waiting))

    def all(self) -> Mapping[str, WaitingLine]:
        """The lines of all models that were asked since the start."""
        return self._lines
