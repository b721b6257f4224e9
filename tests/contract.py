"""What every platform must do, whatever chat it serves: one suite that each platform runs.

A platform's tests subclass `PlatformContract` and say how to start the platform against its fake:

    class TestDiscord(PlatformContract):
        @asynccontextmanager
        async def start(self, dispatcher: Dispatcher) -> AsyncIterator[Driver]:
            async with FakeDiscord() as fake, running(DiscordPlatform(..., dispatcher)) as platform:
                yield DiscordDriver(fake, platform)

Behind the platform stands the real router with the echo backend: model `echo` answers at once,
model `slow` a word at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from bot.platform import Call, Dispatcher, Surface
from plugins.loader import load_plugins
from plugins.vocabulary import Command, Request
from tests.core import running_core
from tests.fakes.dispatcher import FakeDispatcher
from tests.waiting import until


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One message as users see it now."""

    text: str
    private: bool = False
    """Only the asker sees it."""
    pings: bool = False
    """Whether showing it, or any edit of it, notified anybody."""
    versions: tuple[str, ...] = ()
    """Every text it has had, the present one last."""
    file: str | None = None
    """The text of an attached file."""


class Driver(Protocol):
    """A platform that runs, with hands (to ask) and eyes (to see what users see)."""

    @property
    def limit(self) -> int:
        """The most characters of one message; a driver may lower it so that tests stay quick."""
        ...

    @property
    def can_whisper(self) -> bool:
        """Whether this platform can show something to the asker alone."""
        ...

    @property
    def has_admins(self) -> bool:
        """Whether this platform tells admins from others."""
        ...

    async def call(
        self,
        command: str,
        options: Mapping[str, object],
        *,
        user: str = "ada",
        admin: bool = False,
        event: str | None = None,
    ) -> None:
        """Deliver a command as the platform does; return when it is on its way, not answered.

        The same `event` twice is the same event delivered again.
        """
        ...

    async def say(self, text: str, *, user: str = "ada") -> None:
        """Deliver plain text meant for the bot (a mention of it, a line in its window)."""
        ...

    def seen(self) -> list[Seen]:
        """All messages of the bot that are visible now, oldest first; placeholders left out."""
        ...

    async def stop(self) -> None:
        """Cancel `serve()` and wait for its end; what users see stays readable."""
        ...


class Watched:
    """A dispatcher that counts what it was asked, so that tests can wait for its end."""

    def __init__(self, inner: Dispatcher) -> None:
        self._inner = inner
        self.calls: list[Call] = []
        self.ended = 0

    @property
    def commands(self) -> "tuple[Command, ...]":
        return tuple(self._inner.commands)

    async def dispatch(self, call: Call, surface: Surface) -> None:
        self.calls.append(call)
        try:
            await self._inner.dispatch(call, surface)
        finally:
            self.ended += 1

    async def complete(
        self, request: Request, command: str, option: str, typed: str, given: Mapping[str, object]
    ) -> list[str]:
        return await self._inner.complete(request, command, option, typed, given)

    async def quiet(self, calls: int) -> None:
        """Wait until at least `calls` calls came and all have ended."""
        await until(
            lambda: len(self.calls) >= calls and self.ended == len(self.calls),
            f"{calls} calls ended",
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """A platform before the real router."""

    driver: Driver
    watched: Watched

    async def answer(self, command: str, **options: object) -> list[Seen]:
        """Call and wait for the end; the messages that this added."""
        before = len(self.driver.seen())
        calls = len(self.watched.calls)
        await self.driver.call(command, options)
        await self.watched.quiet(calls + 1)
        return self.driver.seen()[before:]


CONFIG: Mapping[str, object] = {
    "settings": {"model": "echo", "max_tokens": 20_000, "include_prefix": False, "footer": ""},
    "models": {
        "echo": {"backend": "echo"},
        "slow": {"backend": "echo", "options": {"delay": 0.02}},
    },
}
"""The core's configuration under the suite."""


def words(messages: list[Seen]) -> list[str]:
    """All that is to be read, word by word: where a text was split does not matter."""
    return " ".join(message.text for message in messages).split()


def numbered(word: str, characters: int) -> str:
    """A text of about so many characters in which every word is different."""
    length = len(word) + 6
    return " ".join(f"{word}{number:05}" for number in range(characters // length))


class PlatformContract:
    """The suite. `start` is what a platform fills in."""

    def start(self, dispatcher: Dispatcher) -> AbstractAsyncContextManager[Driver]:
        """Run the platform before this dispatcher until the block ends."""
        raise NotImplementedError

    @pytest.fixture
    async def scene(self, tmp_path: Path) -> AsyncIterator[Scene]:
        async with running_core(tmp_path, CONFIG) as core:
            watched = Watched(core.router)
            async with self.start(watched) as driver:
                yield Scene(driver, watched)

    async def test_the_answer_to_a_command_arrives_whole(self, scene: Scene) -> None:
        assert words(await scene.answer("generate", text="one two three")) == [
            "one",
            "two",
            "three",
        ]

    async def test_plain_text_meant_for_the_bot_is_continued(self, scene: Scene) -> None:
        await scene.driver.say("four five six")
        await scene.watched.quiet(1)
        assert words(scene.driver.seen()) == ["four", "five", "six"]

    @pytest.mark.parametrize("word", ["word", "été", "🦉🦉"])
    async def test_a_long_text_is_split_within_the_limit_and_nothing_is_lost(
        self, scene: Scene, word: str
    ) -> None:
        text = numbered(word, scene.driver.limit * 5 // 2)
        messages = await scene.answer("generate", text=text)
        assert len(messages) >= 3
        assert words(messages) == text.split()

    @pytest.mark.parametrize("letter", ["x", "🦉"])
    async def test_a_word_longer_than_a_message_fills_messages_to_their_limit(
        self, scene: Scene, letter: str
    ) -> None:
        text = letter * (scene.driver.limit * 5 // 2)
        messages = await scene.answer("generate", text=text)
        assert "".join(message.text for message in messages) == text

    async def test_more_texts_than_fit_into_a_few_messages_come_as_a_file(
        self, scene: Scene
    ) -> None:
        messages = await scene.answer("generate", text=numbered("w", 500), n=40)
        files = [message.file for message in messages if message.file is not None]
        assert len(files) == 1
        assert files[0].count("w00000") == 40

    async def test_nothing_that_a_model_writes_pings(self, scene: Scene) -> None:
        text = "hello @everyone and @here <@1> <@&1> <!channel> <@U1> @channel end"
        messages = await scene.answer("generate", text=text, model="slow")
        assert not any(message.pings for message in messages)
        assert words(messages) == text.split()

    async def test_an_error_is_told_to_the_asker_alone_and_nothing_else_appears(
        self, scene: Scene
    ) -> None:
        messages = await scene.answer("generate", text="never seen", model="no-such-model")
        assert len(messages) == 1
        assert "no-such-model" in messages[0].text
        assert messages[0].private == scene.driver.can_whisper

    async def test_a_private_command_is_answered_to_the_asker_alone(self, scene: Scene) -> None:
        messages = await scene.answer("help")
        assert "generate" in " ".join(words(messages))
        assert all(message.private == scene.driver.can_whisper for message in messages)

    async def test_calls_at_the_same_time_do_not_mix(self, scene: Scene) -> None:
        texts = {user: numbered(user, 300) for user in ("ada", "bob", "cyd")}
        await asyncio.gather(
            *(
                scene.driver.call("generate", {"text": text, "model": "slow"}, user=user)
                for user, text in texts.items()
            )
        )
        await scene.watched.quiet(len(texts))
        shown = {message.text.split()[0][:3]: message.text for message in scene.driver.seen()}
        assert {user: text.split() for user, text in shown.items()} == {
            user: text.split() for user, text in texts.items()
        }

    async def test_an_admin_command_is_refused_to_others(self, scene: Scene) -> None:
        if not scene.driver.has_admins:
            pytest.skip("everybody who reaches this platform is its admin")
        change = {"key": "temperature", "value": "0.25"}
        await scene.driver.call("settings set", change)
        await scene.watched.quiet(1)
        refusal = scene.driver.seen()
        shown = await scene.answer("settings show", key="temperature")
        assert len(refusal) == 1
        assert "admin" in refusal[0].text
        assert "0.25" not in " ".join(words(shown))

    async def test_an_admin_changes_a_setting_and_it_stays(self, scene: Scene) -> None:
        change = {"key": "temperature", "value": "0.25"}
        await scene.driver.call("settings set", change, admin=True)
        await scene.watched.quiet(1)
        assert "0.25" in " ".join(words(await scene.answer("settings show", key="temperature")))

    async def test_an_event_delivered_again_is_answered_once(self, scene: Scene) -> None:
        await scene.driver.call("generate", {"text": "only once"}, event="77")
        await scene.driver.call("generate", {"text": "only once"}, event="77")
        await until(lambda: "only" in words(scene.driver.seen()), "the first answer")
        await scene.driver.call("generate", {"text": "and then another"})
        await until(lambda: "another" in words(scene.driver.seen()), "the second answer")
        await scene.watched.quiet(2)
        assert sorted(words(scene.driver.seen())) == ["and", "another", "once", "only", "then"]

    async def test_a_text_is_seen_to_grow_while_it_is_written(self, scene: Scene) -> None:
        text = numbered("w", 1000)
        (message,) = await scene.answer("generate", text=text, model="slow")
        assert len(message.versions) > 2
        assert all(text.startswith(version.split()[0]) for version in message.versions)
        assert message.versions[-1].split() == text.split()

    @pytest.mark.parametrize("ending", ["text", "refusal", "nothing"])
    async def test_a_notice_to_one_who_waits_gives_way_to_the_answer(self, ending: str) -> None:
        last: list[Surface] = []

        async def answer(call: Call, surface: Surface) -> None:
            await surface.notice("You are number 2 in the line.")
            await surface.notice("You are number 1 in the line.")
            if ending == "text":
                message = await surface.post("one")
                await surface.edit(message, "one two")
            elif ending == "refusal":
                await surface.refuse("That cannot be done.")
            await surface.done()
            last.append(surface)

        watched = Watched(FakeDispatcher(load_plugins().commands, answer))
        async with self.start(watched) as driver:
            await driver.call("generate", {"text": "x"})
            await watched.quiet(1)
            shown = {"text": "one two", "refusal": "That cannot be done.", "nothing": ""}[ending]
            await until(lambda: " ".join(words(driver.seen())) == shown, "what was shown last")
            assert len(last) == 1, "no notice may break an answer"

    async def test_nothing_at_all_to_show_ends_in_a_sentence(self, scene: Scene) -> None:
        messages = await scene.answer("generate", text="")
        assert len(messages) == 1
        assert messages[0].text.strip()

    async def test_stopping_in_the_middle_of_a_text_leaves_what_was_written(
        self, scene: Scene
    ) -> None:
        text = numbered("w", 1500)
        await scene.driver.call("generate", {"text": text, "model": "slow"})
        await until(lambda: len(words(scene.driver.seen())) > 3, "the beginning of the text")
        before = words(scene.driver.seen())
        await scene.driver.stop()
        await scene.watched.quiet(1)
        after = words(scene.driver.seen())
        assert after[: len(before)] == before
        assert after[3] == text.split()[3]
