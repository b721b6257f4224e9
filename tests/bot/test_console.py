import asyncio
import io
import queue
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.console import ConsolePlatform, console_request
from bot.platform import Dispatcher
from tests.contract import Driver, PlatformContract, Scene, Seen, numbered
from tests.core import running_core
from tests.waiting import until


class Screen(io.StringIO):
    """A terminal's window that knows where each message begins and how it grew."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[list[str]] = []
        self._open = False

    def write(self, text: str, /) -> int:
        if text == "\n":
            self._open = False
        elif self._open:
            self.messages[-1].append(self.messages[-1][-1] + text)
        else:
            self.messages.append([text])
            self._open = True
        return super().write(text)


class ConsoleDriver:
    """Types lines and reads the screen. One window shows texts and errors alike."""

    limit = 1000
    can_whisper = False
    has_admins = False

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._events: set[str] = set()
        self.screen = Screen()
        self.platform = ConsolePlatform(
            dispatcher, self._lines.get, out=self.screen, errors=self.screen
        )
        self.serving = asyncio.create_task(self.platform.serve())

    async def call(
        self,
        command: str,
        options: Mapping[str, object],
        *,
        user: str = "ada",
        admin: bool = False,
        event: str | None = None,
    ) -> None:
        # What was typed is read once: a terminal has no way to deliver it again.
        if event is None or event not in self._events:
            self._lines.put(f"/{command} {typed(options)}\n")
        self._events |= {event} if event else set()

    async def say(self, text: str, *, user: str = "ada") -> None:
        self._lines.put(f"{text}\n")

    def seen(self) -> list[Seen]:
        return [
            Seen(text=versions[-1], versions=tuple(versions)) for versions in self.screen.messages
        ]

    async def stop(self) -> None:
        self.serving.cancel()
        await asyncio.gather(self.serving, return_exceptions=True)
        self._lines.put("")


def typed(options: Mapping[str, object]) -> str:
    named = [f"--{name}={shlex.quote(str(v))}" for name, v in options.items() if name != "text"]
    return " ".join([*named, "--", str(options.get("text", ""))])


class TestConsole(PlatformContract):
    @asynccontextmanager
    async def start(self, dispatcher: Dispatcher) -> AsyncIterator[Driver]:
        driver = ConsoleDriver(dispatcher)
        try:
            yield driver
        finally:
            await driver.stop()

    @pytest.mark.parametrize("word", ["word", "été"])
    async def test_a_long_text_is_split_within_the_limit_and_nothing_is_lost(
        self, scene: Scene, word: str
    ) -> None:
        """A terminal has no limit: the text stays whole."""
        text = numbered(word, 100_000)
        (message,) = await scene.answer("generate", text=text)
        assert message.text == text

    async def test_more_texts_than_fit_into_a_few_messages_come_as_a_file(
        self, scene: Scene
    ) -> None:
        """A terminal has room for all of them."""
        text = numbered("w", 500)
        messages = await scene.answer("generate", text=text, n=40)
        assert [message.text for message in messages] == [text] * 40


async def run(folder: Path, *lines: str) -> tuple[str, str]:
    """Type lines, and return what stands on standard output and standard error at the end."""
    given = iter([*lines, ""])
    out, errors = io.StringIO(), io.StringIO()
    async with running_core(folder) as core:
        await ConsolePlatform(core.router, lambda: next(given), out, errors).serve()
    return out.getvalue(), errors.getvalue()


async def test_one_line_is_one_text_and_the_end_of_the_input_ends_it(tmp_path: Path):
    assert await run(tmp_path, "one\n", "\n", "two words\n", "three") == (
        "one\ntwo words\nthree\n",
        "",
    )


async def test_errors_stand_beside_the_texts(tmp_path: Path):
    out, errors = await run(tmp_path, "/nonsense\n", "/generate temperature=hot x\n", "fine\n")
    assert out == "fine\n"
    assert "nonsense" in errors
    assert 'not "hot"' in errors


async def test_several_texts_stand_on_lines_of_their_own(tmp_path: Path):
    assert (await run(tmp_path, "/generate n=3 a b\n"))[0] == "a b\na b\na b\n"


async def test_the_one_at_the_terminal_is_its_admin(tmp_path: Path):
    out, _ = await run(tmp_path, "/settings set n 2\n", "hi\n")
    assert out == "n is now 2 for this channel.\nhi\nhi\n"


async def test_an_interrupt_stops_the_text_under_way_and_the_next_line_is_answered(
    tmp_path: Path,
):
    config = {
        "models": {
            "slow": {"backend": "echo", "options": {"delay": 3600}},
            "echo": {"backend": "echo"},
        },
        "settings": {"model": "echo", "include_prefix": False},
    }
    lines: queue.Queue[str] = queue.Queue()
    out = io.StringIO()
    async with running_core(tmp_path, config) as core:
        platform = ConsolePlatform(core.router, lines.get, out, out)
        assert not platform.interrupt()
        serving = asyncio.create_task(platform.serve())
        lines.put("/generate model=slow never\n")
        await until(platform.interrupt, "the text can be stopped")
        lines.put("again\n")
        await until(lambda: out.getvalue() == "again\n", "the next answer")
        lines.put("")
        await serving


def test_every_line_is_an_event_of_its_own():
    assert console_request("1").id != console_request("2").id
    assert console_request("1").is_admin
