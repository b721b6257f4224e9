"""Discord keeps the promises that all platforms make."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest

from bot.config import DiscordConfig
from bot.discord_app import DiscordPlatform
from bot.platform import Dispatcher
from bot.secret import Secret
from tests.contract import Driver, PlatformContract, Scene, Seen, words
from tests.fakes.fake_discord import FakeDiscord, Message
from tests.waiting import until


class DiscordDriver:
    """Hands and eyes of people in #lab."""

    limit = 2000
    can_whisper = True
    has_admins = True

    def __init__(self, fake: FakeDiscord, task: asyncio.Task[None]) -> None:
        self._fake = fake
        self._task = task

    async def call(
        self,
        command: str,
        options: Mapping[str, object],
        *,
        user: str = "ada",
        admin: bool = False,
        event: str | None = None,
    ) -> None:
        person = self._fake.person(user, admin=admin)
        await self._fake.slash(command, options, user=person, event=event)

    async def say(self, text: str, *, user: str = "ada", times: int = 1) -> None:
        content = f"<@{self._fake.bot.id}> {text}"
        await self._fake.say(content, user=self._fake.person(user), times=times)

    def seen(self) -> list[Seen]:
        return [as_seen(message) for message in self._fake.seen()]

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


def as_seen(message: Message) -> Seen:
    return Seen(
        text=message.content,
        private=message.ephemeral,
        pings=message.pings,
        versions=tuple(message.versions),
        file=message.file,
    )


class TestDiscord(PlatformContract):
    @pytest.fixture(autouse=True)
    def token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DISCORD_TEST_TOKEN", "right-token")

    @asynccontextmanager
    async def start(self, dispatcher: Dispatcher) -> AsyncIterator[Driver]:
        config = DiscordConfig(enabled=True, token=Secret(env="DISCORD_TEST_TOKEN"))
        async with FakeDiscord() as fake:
            platform = DiscordPlatform(config, dispatcher, pace=0.05, settle=0.01)
            driver = DiscordDriver(fake, asyncio.create_task(platform.serve()))
            try:
                await until(lambda: platform.ready, "the platform is ready")
                await fake.bot_is_ready()
                yield driver
            finally:
                await driver.stop()

    async def test_a_mention_that_discord_tells_twice_is_answered_once(self, scene: Scene) -> None:
        assert isinstance(scene.driver, DiscordDriver)
        await scene.driver.say("only once", times=2)
        await scene.watched.quiet(2)
        assert words(scene.driver.seen()) == ["only", "once"]
