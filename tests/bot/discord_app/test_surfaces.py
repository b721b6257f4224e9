import pytest

from bot.config import DiscordConfig
from bot.platform import Call, Surface
from tests.bot.discord_app.driver import bot, one_post, refusal, two_messages
from tests.fakes.dispatcher import nothing
from tests.fakes.fake_discord import FakeDiscord
from tests.waiting import until


async def test_an_answer_fills_the_placeholder_then_follows_up_and_pings_nobody(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, two_messages):
        await fake.slash("generate")
        await until(lambda: len(fake.seen()) == 2 and len(fake.seen()[1].versions) == 2, "all")
        first, second = fake.seen()
        assert (first.versions, second.versions) == (
            ["Once", "Once upon @everyone"],
            ["a time", "a time <@1>"],
        )
        assert not any(one.pings or one.ephemeral for one in (first, second))
        assert not fake.waiting()


async def test_a_refusal_of_a_public_command_is_private_and_leaves_no_placeholder(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, refusal):
        await fake.slash("generate")
        await until(lambda: fake.seen(), "the refusal")
        (message,) = fake.seen()
        assert (message.content, message.ephemeral) == ("That cannot be done.", True)
        assert not fake.waiting()


async def test_a_refusal_of_a_private_command_takes_the_placeholder(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, refusal):
        await fake.slash("help")
        await until(lambda: fake.seen(), "the refusal")
        (message,) = fake.seen()
        assert (message.content, message.ephemeral) == ("That cannot be done.", True)


async def test_a_refusal_behind_a_text_leaves_the_text(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async def text_then_refusal(call: Call, surface: Surface) -> None:
        await surface.post("So far")
        await refusal(call, surface)

    async with bot(fake, config, text_then_refusal):
        await fake.slash("generate")
        await until(lambda: len(fake.seen()) == 2, "both")
        assert [(one.content, one.ephemeral) for one in fake.seen()] == [
            ("So far", False),
            ("That cannot be done.", True),
        ]


async def test_a_call_that_shows_nothing_leaves_no_placeholder(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, nothing):
        interaction = await fake.slash("generate")
        original = interaction.original
        assert original is not None
        await until(lambda: original.deleted, "the placeholder is gone")


@pytest.mark.parametrize("posts_first", [True, False])
async def test_a_long_text_is_attached_as_a_file(
    fake: FakeDiscord, config: DiscordConfig, posts_first: bool
) -> None:
    async def attach(call: Call, surface: Surface) -> None:
        if posts_first:
            await surface.post("It is long:")
        await surface.attach("text.txt", "été 🦉")
        await surface.done()

    async with bot(fake, config, attach):
        await fake.slash("generate")
        await fake.say(f"<@{fake.bot.id}> so")
        await until(lambda: sum(one.file is not None for one in fake.seen()) == 2, "two files")
        files = [(one.file_name, one.file) for one in fake.seen() if one.file]
        assert files == [("text.txt", "été 🦉")] * 2
        assert not fake.waiting()


async def test_a_public_answer_goes_on_in_the_channel_once_the_token_has_expired(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, two_messages):
        await fake.slash("generate", age=16 * 60)
        await until(lambda: len(fake.seen()) == 2 and len(fake.seen()[1].versions) == 2, "all")
        assert [one.content for one in fake.seen()] == ["Once upon @everyone", "a time <@1>"]
        assert not any(one.pings for one in fake.seen())


async def test_a_private_answer_never_goes_to_the_channel_even_when_the_token_has_expired(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    errors: list[Exception] = []

    async def attempt(call: Call, surface: Surface) -> None:
        try:
            await surface.post("secret")
        except Exception as error:
            errors.append(error)
        await surface.done()

    async with bot(fake, config, attempt):
        await fake.slash("help", age=16 * 60)
        await until(lambda: errors, "the error")
        assert "50027" in str(errors[0])
        assert not fake.seen()


async def test_a_rate_limited_edit_is_repeated_and_arrives(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    fake.limit_next("/messages/@original")
    async with bot(fake, config, one_post):
        await fake.slash("generate", {"text": "a"})
        await until(lambda: fake.seen(), "the answer")
        assert fake.seen()[0].content == "a and so on"
        assert 429 in [exchange.status for exchange in fake.exchanges]


async def test_a_refused_mention_is_told_in_a_reply(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config, refusal):
        message = await fake.say(f"<@{fake.bot.id}> so")
        await until(lambda: fake.seen(), "the refusal")
        assert [(one.content, one.reply_to) for one in fake.seen()] == [
            ("That cannot be done.", message.id)
        ]


async def test_a_notice_stands_in_the_placeholder_and_the_answer_takes_its_place(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async def waits(call: Call, surface: Surface) -> None:
        await surface.notice("You are number 2.")
        await surface.notice("You are number 1.")
        await one_post(call, surface)

    async with bot(fake, config, waits):
        await fake.slash("generate", {"text": "a"})
        await fake.say(f"<@{fake.bot.id}> a")
        await until(lambda: [one.content for one in fake.seen()] == ["a and so on"] * 2, "both")
        notices = ["You are number 2.", "You are number 1."]
        assert [one.versions for one in fake.seen()] == [[*notices, "a and so on"]] * 2
