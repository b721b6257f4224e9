"""The fake Discord, and a config that reaches it."""

from collections.abc import AsyncIterator

import pytest

from bot.config import DiscordConfig
from tests.fakes.fake_discord import FakeDiscord


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake


@pytest.fixture
def config(fake: FakeDiscord, monkeypatch: pytest.MonkeyPatch) -> DiscordConfig:
    monkeypatch.setenv("DISCORD_TOKEN", fake.token)
    return DiscordConfig(enabled=True)
