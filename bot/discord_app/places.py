"""Where something was said and by whom, in the bot's words."""

import discord
from discord.abc import GuildChannel

from plugins.vocabulary import Request

PLATFORM = "discord"


def request_of_interaction(interaction: discord.Interaction) -> Request:
    """Describe a command, a context menu or an autocompletion."""
    place = _Place(interaction.channel)
    return Request(
        id=str(interaction.id),
        platform=PLATFORM,
        guild=_text(interaction.guild_id),
        channel=place.channel,
        user=str(interaction.user.id),
        user_name=interaction.user.display_name,
        channel_name=place.name,
        category=place.category,
        thread=place.thread,
        is_admin=interaction.guild_id is None or _administers(interaction.permissions),
    )


def request_of_message(message: discord.Message) -> Request:
    """Describe a message that mentions the bot, or one sent to it directly."""
    place, author = _Place(message.channel), message.author
    return Request(
        id=str(message.id),
        platform=PLATFORM,
        guild=_text(message.guild.id) if message.guild else None,
        channel=place.channel,
        user=str(author.id),
        user_name=author.display_name,
        channel_name=place.name,
        category=place.category,
        thread=place.thread,
        is_admin=message.guild is None or _administers(_permissions(message)),
    )


def _permissions(message: discord.Message) -> discord.Permissions:
    """What the author may do in the channel; nothing where Discord has not told us enough."""
    channel, author = message.channel, message.author
    place = channel.parent if isinstance(channel, discord.Thread) else channel
    if isinstance(place, GuildChannel) and isinstance(author, discord.Member):
        return place.permissions_for(author)
    return discord.Permissions.none()


class _Place:
    """A channel's ids: of a thread, the channel is the one that it hangs on."""

    def __init__(self, channel: object) -> None:
        self.thread = str(channel.id) if isinstance(channel, discord.Thread) else None
        parent = channel.parent if isinstance(channel, discord.Thread) else channel
        known = channel.parent_id if isinstance(channel, discord.Thread) else None
        self.channel = str(known or getattr(parent, "id", ""))
        self.name = str(getattr(parent, "name", "") or "")
        self.category = _text(getattr(parent, "category_id", None))


def _text(identifier: int | None) -> str | None:
    return None if identifier is None else str(identifier)


def _administers(permissions: discord.Permissions) -> bool:
    return permissions.administrator or permissions.manage_guild
