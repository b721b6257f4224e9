"""A bot on the fake Discord: as small as a test wants it, or before the real router."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from unittest import mock

from bot.config import DiscordConfig
from bot.discord_app import DiscordPlatform
from bot.platform import Call, Dispatcher, Surface
from bot.secret import Secret
from plugins.vocabulary import Command, Context, Option, Piece
from tests.contract import Seen
from tests.fakes.dispatcher import Answer, FakeDispatcher, nothing
from tests.fakes.fake_discord import FakeDiscord, Message
from tests.waiting import until


async def unused(context: Context) -> AsyncIterator[Piece]:
    yield Piece("")


COMMANDS = (
    Command(
        name="generate",
        help="Carry on a text.",
        run=unused,
        options=(
            Option(name="text", kind="text", help="What to carry on."),
            Option(name="n", kind="integer", help="How many texts."),
            Option(name="model", kind="text", help="A model.", complete="model"),
        ),
    ),
    Command(name="help", help="List the commands.", run=unused, private=True),
    Command(
        name="settings set",
        help="Change a value.",
        run=unused,
        options=(
            Option(name="key", kind="text", help="Which.", required=True),
            Option(name="value", kind="text", help="The value.", required=True, complete="value"),
        ),
        admin=True,
    ),
)


@asynccontextmanager
async def serving(platform: DiscordPlatform, fake: FakeDiscord) -> AsyncIterator[None]:
    """Run a platform until the block ends."""
    task = asyncio.create_task(platform.serve())
    try:
        await until(lambda: platform.ready or task.done(), "the platform is ready")
        assert not task.done(), task.exception()
        await fake.bot_is_ready()
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def bot(
    fake: FakeDiscord, config: DiscordConfig, answer: Answer = nothing
) -> AsyncIterator[FakeDispatcher]:
    dispatcher = FakeDispatcher(COMMANDS, answer)
    async with serving(DiscordPlatform(config, dispatcher, pace=0, settle=0.01), fake):
        yield dispatcher


async def one_post(call: Call, surface: Surface) -> None:
    await surface.post(f"{call.options.get('text', '')} and so on")
    await surface.done()


async def two_messages(call: Call, surface: Surface) -> None:
    first = await surface.post("Once")
    await surface.edit(first, "Once upon @everyone")
    second = await surface.post("a time")
    await surface.edit(second, "a time <@1>")
    await surface.done()


async def refusal(call: Call, surface: Surface) -> None:
    await surface.refuse("That cannot be done.")
    await surface.done()


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


@asynccontextmanager
async def driving(dispatcher: Dispatcher) -> AsyncIterator[DiscordDriver]:
    """Serve a dispatcher to a fake Discord of its own until the block ends."""
    config = DiscordConfig(enabled=True, token=Secret(env="DISCORD_TEST_TOKEN"))
    async with FakeDiscord() as fake:
        with mock.patch.dict(os.environ, {"DISCORD_TEST_TOKEN": fake.token}):
            platform = DiscordPlatform(config, dispatcher, pace=0.05, settle=0.01)
            driver = DiscordDriver(fake, asyncio.create_task(platform.serve()))
            try:
                await until(lambda: platform.ready, "the platform is ready")
                await fake.bot_is_ready()
                yield driver
            finally:
                await driver.stop()


def as_seen(message: Message) -> Seen:
    return Seen(
        text=message.content,
        private=message.ephemeral,
        pings=message.pings,
        versions=tuple(message.versions),
        file=message.file,
    )
