"""The Slack platform: one slash command, mentions and direct messages; Socket Mode or HTTP."""

from bot.slack_app.service import SlackPlatform

__all__ = ["SlackPlatform"]
