"""The fake Discord and the bot before it are held against Discord's own OpenAPI document.

The document is not ours to copy: the test is skipped where it does not lie beside the repository.
"""

from collections import Counter
from pathlib import Path

import pytest

from bot.config import DiscordConfig
from bot.discord_app import DiscordPlatform
from bot.platform import Call, Surface
from plugins.loader import load_plugins
from tests.bot.discord_app.driver import serving
from tests.fakes.dispatcher import FakeDispatcher
from tests.fakes.fake_discord import FakeDiscord
from tests.fakes.fake_discord.openapi import OpenApi
from tests.waiting import until

DOCUMENT = Path(__file__).parents[4] / "shared" / "specs" / "discord_openapi.json"

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="Discord's OpenAPI document does not lie beside the repository"
)


async def everything(call: Call, surface: Surface) -> None:
    """Use the whole surface."""
    message = await surface.post("Once")
    await surface.edit(message, "Once upon")
    later = await surface.post("a time")
    await surface.edit(later, "a time there")
    await surface.attach("text.txt", "was")
    await surface.refuse("That is all.")
    await surface.done()


async def refuse(call: Call, surface: Surface) -> None:
    await surface.refuse("No.")
    await surface.done()


@pytest.fixture(scope="module")
def document() -> OpenApi:
    return OpenApi(DOCUMENT)


async def test_all_that_bot_and_fake_say_to_each_other_is_right_by_discords_document(
    fake: FakeDiscord, config: DiscordConfig, document: OpenApi
) -> None:
    dispatcher = FakeDispatcher(load_plugins().commands, everything)
    dispatcher.proposals = ["temperature"]
    async with serving(DiscordPlatform(config, dispatcher, pace=0, settle=0.01), fake):
        await fake.slash("generate", {"text": "Why", "temperature": 0.5, "n": 2})
        await fake.slash("help")
        await fake.slash("generate", age=16 * 60)
        await fake.complete("settings set", "key", "te")
        mention = await fake.say(f"<@{fake.bot.id}> so")
        await fake.menu("Continue this", mention)
        await until(lambda: sum(one.file is not None for one in fake.seen()) == 5, "five files")
        dispatcher.answer = refuse
        await fake.slash("generate")
        await until(lambda: "No." in [one.content for one in fake.seen()], "the refusal")
        again = await fake.slash("generate")
        await fake.slash("generate", event=again.id)
        fake.limit_next("/channels/")
        await fake.say(f"<@{fake.bot.id}> so")
        await until(lambda: fake.seen(fake.lab)[-1].reply_to, "the refused mention")
    assert [problem for one in fake.exchanges for problem in document.problems(one)] == []
    kinds = Counter((one.method, one.path.split("/")[1], one.status) for one in fake.exchanges)
    for expected in [
        ("PUT", "applications", 200),
        ("POST", "interactions", 200),
        ("PATCH", "webhooks", 200),
        ("POST", "webhooks", 200),
        ("DELETE", "webhooks", 204),
        ("POST", "channels", 200),
        ("PATCH", "channels", 200),
        ("POST", "channels", 429),
    ]:
        assert kinds[expected], f"{expected} never happened, only {sorted(kinds)}"


async def test_the_document_does_find_what_is_wrong(
    fake: FakeDiscord, config: DiscordConfig, document: OpenApi
) -> None:
    async with serving(DiscordPlatform(config, FakeDispatcher([]), settle=0.01), fake):
        pass
    first = fake.exchanges[0]
    assert document.problems(first) == []
    first.answer = {"id": "1"}
    assert document.problems(first)
