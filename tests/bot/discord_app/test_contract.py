"""Discord keeps the promises that all platforms make."""

from contextlib import AbstractAsyncContextManager

from bot.platform import Dispatcher
from tests.bot.discord_app.driver import DiscordDriver, driving
from tests.contract import Driver, PlatformContract, Scene, words


class TestDiscord(PlatformContract):
    def start(self, dispatcher: Dispatcher) -> AbstractAsyncContextManager[Driver]:
        return driving(dispatcher)

    async def test_a_mention_that_discord_tells_twice_is_answered_once(self, scene: Scene) -> None:
        assert isinstance(scene.driver, DiscordDriver)
        await scene.driver.say("only once", times=2)
        await scene.watched.quiet(2)
        assert words(scene.driver.seen()) == ["only", "once"]
