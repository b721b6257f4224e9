"""The bot on Discord: the only place that knows discord.py."""

from bot.discord_app.service import DiscordPlatform

__all__ = ["DiscordPlatform"]
