import asyncio
import logging
import re
from contextlib import suppress
from pathlib import Path

import pytest

from backends import UserError
from bot.config import DiscordConfig
from bot.discord_app import DiscordPlatform
from bot.platform import Call, Surface
from bot.secret import Secret
from tests.bot.discord_app.driver import COMMANDS, bot, one_post, serving, two_messages
from tests.fakes.dispatcher import FakeDispatcher
from tests.fakes.fake_discord import FakeDiscord, Person
from tests.waiting import until

PAGE = Path(__file__).parents[3] / "docs" / "admins" / "discord.md"


async def test_commands_are_registered_for_everybody_when_no_guild_is_named(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config):
        assert set(fake.registered()) == {"generate", "help", "settings", "Continue this"}


async def test_commands_are_registered_in_the_named_guilds_alone(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    guild = int(fake.world.guild)
    async with bot(fake, config.model_copy(update={"guilds": (guild,)})):
        assert "generate" in fake.registered(str(guild))
        assert not fake.registered()


async def test_a_bot_whose_commands_discord_refuses_still_answers_mentions(
    fake: FakeDiscord, config: DiscordConfig, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fail_next("/commands", 400, code=50035)
    platform = DiscordPlatform(config, FakeDispatcher(COMMANDS, one_post), pace=0, settle=0.01)
    task = asyncio.create_task(platform.serve())
    await until(lambda: platform.ready, "the platform is ready")
    await until(lambda: "did not take the commands" in caplog.text, "the refusal in the log")
    await fake.say(f"<@{fake.bot.id}> so")
    await until(lambda: fake.seen(), "an answer")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_no_privileged_intent_is_asked_for(fake: FakeDiscord, config: DiscordConfig) -> None:
    privileged = (1 << 1) | (1 << 8) | (1 << 15)
    async with bot(fake, config):
        assert [session.intents & privileged for session in fake.gateway.connected] == [0]


async def test_the_log_and_the_page_for_admins_give_the_same_invitation(
    fake: FakeDiscord, config: DiscordConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.discord_app")
    async with bot(fake, config):
        await until(lambda: "Invite the bot" in caplog.text, "the invitation")
    permissions = re.search(r"permissions=(\d+)", caplog.text)
    assert permissions is not None
    assert permissions[0] in PAGE.read_text(encoding="utf-8")
    assert f"client_id={fake.world.application}" in caplog.text


async def test_a_slash_command_arrives_with_its_options_as_typed(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config) as dispatcher:
        await fake.slash("generate", {"text": "Why", "n": 2})
        await until(lambda: dispatcher.calls, "the call")
        (call,) = dispatcher.calls
        assert (call.command, call.options) == ("generate", {"text": "Why", "n": 2})


async def test_a_subcommand_arrives_under_its_full_name(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config) as dispatcher:
        await fake.slash("settings set", {"key": "n", "value": "2"})
        await until(lambda: dispatcher.calls, "the call")
        (call,) = dispatcher.calls
        assert (call.command, call.options) == ("settings set", {"key": "n", "value": "2"})


async def test_a_private_command_is_answered_in_private_message_by_message(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, two_messages):
        await fake.slash("help")
        await until(lambda: len(fake.seen()) == 2, "two messages")
        assert [message.ephemeral for message in fake.seen()] == [True, True]


async def test_the_same_interaction_twice_is_dispatched_once(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, one_post) as dispatcher:
        await fake.slash("generate", {"text": "a"}, event="123456789012345678")
        await fake.slash("generate", {"text": "a"}, event="123456789012345678")
        await fake.slash("generate", {"text": "b"})
        await until(lambda: "b and so on" in [one.content for one in fake.seen()], "b")
        assert [call.options["text"] for call in dispatcher.calls] == ["a", "b"]


async def test_proposals_come_from_the_dispatcher_which_knows_the_other_options(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config) as dispatcher:
        dispatcher.proposals = ["0.7", "0.9"]
        proposed = await fake.complete("settings set", "value", "0.", {"key": "temperature"})
        assert proposed == ["0.7", "0.9"]
        (asked,) = dispatcher.asked
        assert asked[1:] == ("settings set", "value", "0.", {"key": "temperature"})


async def test_continue_this_carries_on_the_message_itself_without_the_channels_prefix(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, one_post) as dispatcher:
        message = await fake.say("It was a dark night", user=fake.person("bob"))
        await fake.menu("Continue this", message)
        await until(lambda: fake.seen(), "the answer")
        (call,) = dispatcher.calls
        assert call.command == "generate"
        assert call.options == {
            "text": "It was a dark night",
            "prefix": "",
            "include_prefix": False,
        }


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<@{}> Why do cats", "Why do cats"),
        ("<@!{}>\n  Why", "Why"),
        ("hello <@{}> Why", "Why"),
        ("Why do cats <@{}>", "Why do cats"),
        ("<@{}>", ""),
    ],
)
async def test_a_mention_is_answered_by_a_reply_that_carries_on_what_follows_it(
    fake: FakeDiscord, config: DiscordConfig, content: str, text: str
) -> None:
    async with bot(fake, config, two_messages) as dispatcher:
        message = await fake.say(content.format(fake.bot.id))
        await until(lambda: len(fake.seen()) == 2 and len(fake.seen()[1].versions) == 2, "all")
        (call,) = dispatcher.calls
        assert (call.command, call.options) == ("generate", {"text": text})
        assert call.request.id == message.id
        first, second = fake.seen(fake.lab)
        assert (first.reply_to, second.reply_to) == (message.id, None)
        assert not any(one.pings for one in (first, second))


async def test_a_direct_message_is_carried_on_without_a_mention(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, one_post) as dispatcher:
        await fake.say("Why do cats", channel=fake.direct)
        await until(lambda: fake.seen(fake.direct), "the answer")
        request = dispatcher.calls[0].request
        assert (request.guild, request.is_admin) == (None, True)
        assert request.channel == fake.direct.id


async def test_messages_not_meant_for_the_bot_are_left_alone(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, one_post) as dispatcher:
        other = Person("other bot", bot=True)
        mention = f"<@{fake.bot.id}>"
        answer = await fake.say("said by the bot", user=fake.bot)
        await fake.say(f"{mention} from a bot", user=other)
        await fake.say(f"{mention} from itself", user=fake.bot)
        await fake.say("nobody is mentioned")
        await fake.say("a reply to the bot that does not name it", reply_to=answer)
        await fake.say(f"{mention} last")
        await until(lambda: dispatcher.calls, "the last one")
        assert [call.options["text"] for call in dispatcher.calls] == ["last"]


async def test_a_refused_token_ends_in_a_sentence_without_the_token(
    fake: FakeDiscord, config: DiscordConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "wrong-token")
    with pytest.raises(UserError, match="DISCORD_TOKEN") as caught:
        await DiscordPlatform(config, FakeDispatcher(COMMANDS)).serve()
    assert "wrong-token" not in str(caught.value)


async def test_a_missing_token_ends_in_a_sentence_that_says_where_it_should_be() -> None:
    config = DiscordConfig(enabled=True, token=Secret(env="NO_SUCH_VARIABLE"))
    with pytest.raises(UserError, match="NO_SUCH_VARIABLE"):
        await DiscordPlatform(config, FakeDispatcher(COMMANDS)).serve()


async def test_a_token_that_is_reset_meanwhile_ends_in_a_sentence(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    platform = DiscordPlatform(config, FakeDispatcher(COMMANDS), settle=0.01)
    task = asyncio.create_task(platform.serve())
    await until(lambda: platform.ready, "the platform is ready")
    await fake.gateway.drop(4004)
    with pytest.raises(UserError, match="refuses the bot's token"):
        await task


async def test_an_event_that_does_not_parse_does_not_end_the_service(
    fake: FakeDiscord, config: DiscordConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "bot.discord_app")
    async with bot(fake, config, one_post):
        (session,) = fake.gateway.connected
        await fake.gateway.dispatch("MESSAGE_CREATE", {"id": "not a number"})
        await until(
            lambda: fake.gateway.connected and fake.gateway.connected != [session], "a new session"
        )
        await fake.slash("generate", {"text": "still"})
        await until(lambda: fake.seen(), "an answer")


async def test_an_answer_that_runs_while_the_connection_drops_goes_on(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    go_on = asyncio.Event()

    async def slow(call: Call, surface: Surface) -> None:
        message = await surface.post("Once")
        await go_on.wait()
        await surface.edit(message, "Once upon a time")
        await surface.done()

    async with bot(fake, config, slow):
        await fake.slash("generate")
        await until(lambda: fake.seen(), "the beginning")
        await fake.gateway.drop(4000)
        await until(lambda: fake.gateway.connected, "the session is resumed")
        await fake.slash("generate")
        go_on.set()
        await until(
            lambda: [one.content for one in fake.seen()] == ["Once upon a time"] * 2, "both ends"
        )


async def test_the_platform_is_ready_only_while_it_is_connected(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    platform = DiscordPlatform(config, FakeDispatcher(COMMANDS), settle=0.01)
    assert not platform.ready
    async with serving(platform, fake):
        assert platform.ready
        fake.gateway.closed_to_all = True
        await fake.gateway.drop(4000)
        await until(lambda: not platform.ready, "the platform is not ready")
        fake.gateway.closed_to_all = False
        await until(lambda: platform.ready, "the platform is ready again")
    assert not platform.ready


async def test_stopping_cancels_what_runs_and_waits_for_its_end(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    ended: list[str] = []

    async def endless(call: Call, surface: Surface) -> None:
        message = await surface.post("Once")
        try:
            await asyncio.Event().wait()
        finally:
            await surface.edit(message, "Once upon")
            ended.append("ended")

    async with bot(fake, config, endless):
        await fake.slash("generate")
        await until(lambda: fake.seen(), "the beginning")
    assert ended == ["ended"]
    assert fake.seen()[0].content == "Once upon"
    assert not fake.gateway.connected
