"""Which platforms a configuration asks for. Each is imported only where it is enabled."""

from collections.abc import Iterator

from bot.core import Core
from bot.platform import Platform


def enabled_platforms(core: Core) -> Iterator[Platform]:
    """Build them. Raises `UserError` where one cannot be set up as configured."""
    config, router = core.config, core.router
    if config.web.enabled:
        from bot.web.server import WebPlatform

        yield WebPlatform(config.web, router, core.settings.at)
    if config.discord.enabled:
        from bot.discord_app.service import DiscordPlatform

        yield DiscordPlatform(config.discord, router)
    if config.slack.enabled:
        from bot.slack_app.service import SlackPlatform

        yield SlackPlatform(config.slack, router)
