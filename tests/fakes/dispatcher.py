"""A dispatcher that records calls and answers each as a test says."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from bot.platform import Call, Surface
from plugins.vocabulary import Command, Request

Answer = Callable[[Call, Surface], Awaitable[None]]


async def nothing(call: Call, surface: Surface) -> None:
    """End without a word."""
    await surface.done()


class FakeDispatcher:
    """What a platform's own tests put behind it, to see exactly what it hands over."""

    def __init__(self, commands: Sequence[Command], answer: Answer = nothing) -> None:
        self.commands = commands
        self.answer = answer
        self.calls: list[Call] = []
        self.asked: list[tuple[Request, str, str, str, Mapping[str, object]]] = []
        self.proposals: list[str] = []

    async def dispatch(self, call: Call, surface: Surface) -> None:
        self.calls.append(call)
        await self.answer(call, surface)

    async def complete(
        self, request: Request, command: str, option: str, typed: str, given: Mapping[str, object]
    ) -> list[str]:
        self.asked.append((request, command, option, typed, given))
        return self.proposals
