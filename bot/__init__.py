"""The bot: settings, router, reply writer, and one file or folder per chat platform."""
