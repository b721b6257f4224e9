"""Slack under the contract suite: the real Bolt app against the fake Slack, in both modes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Literal

import pytest

from bot.config import SlackConfig
from bot.platform import Dispatcher
from bot.secret import Secret
from bot.slack_app import SlackPlatform
from tests.contract import Seen
from tests.fakes.fake_slack import FakeSlack, Message
from tests.fakes.fake_slack.delivery import SIGNING_SECRET
from tests.fakes.fake_slack.web_api import APP_TOKEN, BOT_TOKEN
from tests.waiting import until

Mode = Literal["socket", "http"]

SECRETS = {
    "TEST_SLACK_BOT_TOKEN": BOT_TOKEN,
    "TEST_SLACK_APP_TOKEN": APP_TOKEN,
    "TEST_SLACK_SIGNING_SECRET": SIGNING_SECRET,
}


def slack_config(slack: FakeSlack, mode: Mode = "socket", port: int = 0) -> SlackConfig:
    """A config that finds the fake; the secrets are to be put into the environment."""
    return SlackConfig(
        enabled=True,
        mode=mode,
        bot_token=Secret(env="TEST_SLACK_BOT_TOKEN"),
        app_token=Secret(env="TEST_SLACK_APP_TOKEN"),
        signing_secret=Secret(env="TEST_SLACK_SIGNING_SECRET"),
        port=port,
        api_url=slack.api_url,
    )


class SlackDriver:
    """Types for users, and sees what they see."""

    limit = 3_900
    can_whisper = True
    has_admins = True

    def __init__(
        self, slack: FakeSlack, platform: SlackPlatform, serving: asyncio.Task[None]
    ) -> None:
        self.slack = slack
        self.platform = platform
        self.serving = serving

    async def call(
        self,
        command: str,
        options: Mapping[str, object],
        *,
        user: str = "ada",
        admin: bool = False,
        event: str | None = None,
    ) -> None:
        named = "".join(f' --{key} "{value}"' for key, value in options.items() if key != "text")
        text = f" -- {options['text']}" if "text" in options else ""
        await self.slack.slash(command + named + text, user=user, admin=admin, trigger=event)

    async def say(self, text: str, *, user: str = "ada") -> None:
        await self.slack.mention(text, user=user)

    def seen(self) -> list[Seen]:
        return [_seen(message) for message in self.slack.world.messages]

    async def stop(self) -> None:
        self.serving.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await self.serving


def _seen(message: Message) -> Seen:
    return Seen(
        text=message.text,
        private=message.private_to is not None,
        pings=message.pinged,
        versions=tuple(message.versions),
        file=message.file,
    )


@asynccontextmanager
async def running_slack(
    dispatcher: Dispatcher, mode: Mode = "socket", *, pace: float = 0.05
) -> AsyncGenerator[SlackDriver]:
    """A fake Slack with the platform connected to it, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        for name, secret in SECRETS.items():
            patch.setenv(name, secret)
        async with FakeSlack() as slack:
            platform = SlackPlatform(slack_config(slack, mode), dispatcher, pace=pace)
            driver = SlackDriver(slack, platform, asyncio.create_task(platform.serve()))
            try:
                await until(lambda: platform.ready or driver.serving.done(), "a connection")
                slack.app_url = platform.url
                yield driver
            finally:
                await driver.stop()
