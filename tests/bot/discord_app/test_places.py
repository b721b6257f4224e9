from bot.config import DiscordConfig
from tests.bot.discord_app.driver import bot
from tests.fakes.fake_discord import FakeDiscord
from tests.waiting import until


async def test_a_request_names_guild_category_channel_and_asker(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config) as dispatcher:
        ada = fake.person("ada")
        interaction = await fake.slash("generate", user=ada, channel=fake.lab)
        await until(lambda: dispatcher.calls, "the call")
        request = dispatcher.calls[0].request
        assert (request.id, request.platform) == (interaction.id, "discord")
        assert (request.guild, request.category) == (fake.world.guild, fake.category.id)
        assert (request.channel, request.channel_name) == (fake.lab.id, "lab")
        assert (request.thread, request.user, request.user_name) == (None, ada.id, "ada")


async def test_in_a_thread_the_channel_is_the_one_it_hangs_on(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config) as dispatcher:
        await fake.slash("generate", channel=fake.thread)
        await fake.say(f"<@{fake.bot.id}> so", channel=fake.thread)
        await until(lambda: len(dispatcher.calls) == 2, "both calls")
        for call in dispatcher.calls:
            assert (call.request.channel, call.request.thread) == (fake.lab.id, fake.thread.id)
            assert call.request.category == fake.category.id
            assert call.request.channel_name == "lab"


async def test_manage_server_makes_an_admin_and_so_does_ones_own_direct_message(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config) as dispatcher:
        await fake.slash("generate", user=fake.person("ada"))
        await fake.slash("generate", user=fake.person("eve", admin=True))
        await fake.slash("generate", user=fake.person("ada"), channel=fake.direct)
        await until(lambda: len(dispatcher.calls) == 3, "all calls")
        requests = [call.request for call in dispatcher.calls]
        assert [request.is_admin for request in requests] == [False, True, True]
        assert requests[2].guild is None


async def test_whoever_mentions_the_bot_is_an_admin_by_their_rights_in_that_channel(
    fake: FakeDiscord, config: DiscordConfig
) -> None:
    async with bot(fake, config) as dispatcher:
        for channel in (fake.lab, fake.thread):
            await fake.say(f"<@{fake.bot.id}> so", user=fake.person("ada"), channel=channel)
            await fake.say(f"<@{fake.bot.id}> so", user=fake.owner, channel=channel)
        await until(lambda: len(dispatcher.calls) == 4, "all calls")
        admins = {call.request.user for call in dispatcher.calls if call.request.is_admin}
        assert admins == {fake.owner.id}
