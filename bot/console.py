"""The terminal as a platform: a line in, a text out, also through pipes."""

import asyncio
import getpass
import importlib
import signal
import sys
import termios
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TextIO
from uuid import uuid4

from backends import UserError
from bot.platform import Call, Dispatcher
from bot.typed import understand
from plugins.vocabulary import Request

PLATFORM = "console"
CHANNEL = "terminal"
_ENDLESS = 10**9
"""A terminal has no longest message."""

ReadLine = Callable[[], str]
"""Blocks for the next line, with its line break; "" is the end of the input."""


def console_request(event: str) -> Request:
    """The one who sits at the terminal, asking. It is their own bot, so they are its admin."""
    return Request(
        id=event,
        platform=PLATFORM,
        guild=PLATFORM,
        channel=CHANNEL,
        channel_name=CHANNEL,
        user="local",
        user_name=_user_name(),
        is_admin=True,
    )


@dataclass
class ConsoleSurface:
    """Writes text to one stream as it grows, and errors to another."""

    out: TextIO
    errors: TextIO
    limit: int = _ENDLESS
    pace: float = 0.0
    max_messages: int = _ENDLESS
    _shown: str = ""
    _open: bool = False

    def length(self, text: str) -> int:
        """A terminal counts nothing."""
        return len(text)

    async def notice(self, text: str) -> None:
        """Tell it beside the texts where somebody looks; a pipe is not to be told."""
        if self.errors.isatty():
            print(text, file=self.errors, flush=True)

    async def post(self, text: str) -> object:
        """Begin a text on a line of its own."""
        self._end_line()
        self._open = True
        self._shown = ""
        self._write(text)
        return None

    async def edit(self, message: object, text: str) -> None:
        """Write what was added; text only ever grows."""
        self._write(text)

    async def attach(self, filename: str, text: str) -> None:
        """Write the file: there is room for it."""
        await self.post(text)

    async def refuse(self, sentence: str) -> None:
        """Tell an error beside the texts."""
        self._end_line()
        print(sentence, file=self.errors, flush=True)

    async def done(self) -> None:
        """End the last line."""
        self._end_line()

    def _write(self, text: str) -> None:
        self.out.write(text[len(self._shown) :])
        self.out.flush()
        self._shown = text

    def _end_line(self) -> None:
        if self._open:
            self.out.write("\n")
            self.out.flush()
            self._open = False


@dataclass
class ConsolePlatform:
    """Answers one line after the other until the input ends."""

    dispatcher: Dispatcher
    read_line: ReadLine
    out: TextIO = field(default_factory=lambda: sys.stdout)
    errors: TextIO = field(default_factory=lambda: sys.stderr)
    name = PLATFORM
    _answering: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """A terminal is always there."""
        return True

    async def serve(self) -> None:
        """Serve until the end of the input, or until cancelled."""
        run = uuid4().hex
        for number in count(1):
            line = await in_thread(self.read_line)
            if not line:
                return
            if line.strip():
                await self._answer(line.rstrip("\r\n"), f"{run}:{number}")

    def interrupt(self) -> bool:
        """Stop the text under way; false where there is none."""
        return self._answering is not None and self._answering.cancel()

    async def _answer(self, line: str, event: str) -> None:
        surface = ConsoleSurface(self.out, self.errors)
        try:
            typed = understand(line, self.dispatcher.commands)
        except UserError as problem:
            await surface.refuse(str(problem))
            return
        call = Call(request=console_request(event), command=typed.command, options=typed.options)
        self._answering = asyncio.create_task(self.dispatcher.dispatch(call, surface))
        try:
            await asyncio.wait([self._answering])
        finally:
            # Only there still to do where this task is cancelled itself.
            self._answering.cancel()
            with suppress(asyncio.CancelledError):
                await self._answering
            self._answering = None


async def chat(platform: ConsolePlatform) -> None:
    """Serve a terminal. Ctrl-C stops the text under way; without one, it leaves."""
    serving = asyncio.create_task(platform.serve())

    def interrupted() -> None:
        if not platform.interrupt():
            serving.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
    with suppress(asyncio.CancelledError):
        await serving


async def in_thread(read: ReadLine) -> str:
    """Read in a thread that does not keep the process alive when nothing more is typed."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def deliver(line: str) -> None:
        if not answer.done():
            answer.set_result(line)

    def work() -> None:
        line = read()
        # The loop is closed where the chat was left in the meantime.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, line)

    threading.Thread(target=work, daemon=True).start()
    return await answer


def line_reader() -> ReadLine:
    """Read from standard input; at a terminal with a prompt and line editing."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        # Unbuffered: a thread that waits inside a buffer would hold its lock while Python exits.
        lines = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - as long as the process
        return lambda: lines.readline().decode("utf-8", errors="replace")
    # Importing it is what gives `input` line editing and a history.
    with suppress(ImportError):
        importlib.import_module("readline")

    def read() -> str:
        try:
            return input("> ") + "\n"
        except EOFError:
            return ""

    return read


@contextmanager
def terminal_as_found() -> Generator[None]:
    """Give the terminal back as it was: line editing switches its echo off while it waits."""
    if not sys.stdin.isatty():
        yield
        return
    found = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, found)


def _user_name() -> str:
    # A container's user may have no name.
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return "local"
