"""The web platform: a chat client in one page, and the small server behind it."""

from bot.web.server import WebPlatform

__all__ = ["WebPlatform"]
