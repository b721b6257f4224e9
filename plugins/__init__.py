"""What extends the bot: hook specifications, the guarded loader, and the built-in plugins."""

from plugins.hookspecs import hookimpl
from plugins.vocabulary import (
    Command,
    Context,
    Decision,
    Filter,
    Models,
    Option,
    Piece,
    Request,
    Setting,
    Settings,
)

__all__ = [
    "Command",
    "Context",
    "Decision",
    "Filter",
    "Models",
    "Option",
    "Piece",
    "Request",
    "Setting",
    "Settings",
    "hookimpl",
]
