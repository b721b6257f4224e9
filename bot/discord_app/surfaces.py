"""Where an answer appears on Discord: behind an interaction, or as replies to a message."""

import io
from contextlib import suppress
from typing import cast

import discord

PACE = 1.2
"""Seconds between two edits: about what Discord allows a channel. Its headers, which discord.py
obeys, have the last word."""

_Writable = (
    discord.TextChannel
    | discord.VoiceChannel
    | discord.StageChannel
    | discord.Thread
    | discord.DMChannel
)
"""The channels that messages are sent to."""


class DiscordSurface:
    """What the two surfaces share."""

    limit = 2000
    max_messages = 5

    def __init__(self, pace: float = PACE) -> None:
        self.pace = pace

    def length(self, text: str) -> int:
        """Code points: Discord's API is written in Python and counts as `len` does.

        Said by Discord's staff in discord/discord-api-docs, issue 1315.
        """
        return len(text)


class InteractionSurface(DiscordSurface):
    """The deferred answer to an interaction, then follow-ups.

    An interaction's token works for 15 minutes. Later, a public answer goes on as the bot's own
    messages in the channel, where it may write there; a private one has no other way, and the
    error that Discord answers is raised.
    """

    def __init__(self, interaction: discord.Interaction, private: bool, pace: float = PACE) -> None:
        super().__init__(pace)
        self._interaction = interaction
        self._private = private
        self._deferred = True
        """Whether the placeholder ("… is thinking") still stands."""

    async def notice(self, text: str) -> None:
        """Say it in the placeholder, which goes on standing for the answer."""
        if self._deferred and not self._interaction.is_expired():
            await self._interaction.edit_original_response(content=text)

    async def post(self, text: str) -> discord.Message:
        """Fill the placeholder first, then send follow-ups."""
        if (channel := self._beyond_token()) is not None:
            return await channel.send(text)
        if self._deferred:
            message = await self._interaction.edit_original_response(content=text)
            self._deferred = False
            return message
        return await self._interaction.followup.send(text, ephemeral=self._private, wait=True)

    async def edit(self, message: object, text: str) -> None:
        """Replace the text of a message that `post` returned."""
        shown = cast(discord.Message, message)
        if (channel := self._beyond_token()) is not None:
            await channel.get_partial_message(shown.id).edit(content=text)
        else:
            await shown.edit(content=text)

    async def attach(self, filename: str, text: str) -> None:
        """Send a text as a file."""
        file = _file(filename, text)
        if (channel := self._beyond_token()) is not None:
            await channel.send(file=file)
        elif self._deferred:
            await self._interaction.edit_original_response(attachments=[file])
            self._deferred = False
        else:
            await self._interaction.followup.send(file=file, ephemeral=self._private)

    async def refuse(self, sentence: str) -> None:
        """Tell the asker alone, while the token works.

        A public placeholder must go first: the first follow-up would take its place, and with it
        its publicity.
        """
        if self._deferred and self._private:
            await self._interaction.edit_original_response(content=sentence)
            self._deferred = False
            return
        if (channel := self._beyond_token()) is not None:
            await channel.send(sentence)
            return
        await self._remove_placeholder()
        await self._interaction.followup.send(sentence, ephemeral=True)

    async def done(self) -> None:
        """Take away a placeholder that nothing has filled."""
        with suppress(discord.HTTPException):  # it stays "thinking" until Discord gives it up
            await self._remove_placeholder()

    async def _remove_placeholder(self) -> None:
        if self._deferred:
            self._deferred = False
            await self._interaction.delete_original_response()

    def _beyond_token(self) -> _Writable | None:
        """The channel to write into once the token is no longer valid."""
        channel = self._interaction.channel
        if self._private or not self._interaction.is_expired():
            return None
        return channel if isinstance(channel, _Writable) else None


class MessageSurface(DiscordSurface):
    """Replies to a message: the first one refers to it, further ones follow in the channel.

    discord.py gives every send a nonce that Discord enforces, so a repeated send shows once.
    """

    def __init__(self, message: discord.Message, pace: float = PACE) -> None:
        super().__init__(pace)
        self._message = message
        self._replied = False
        self._notice: discord.Message | None = None

    async def notice(self, text: str) -> None:
        """Reply with it, or say it in the notice before."""
        if self._notice is None:
            self._notice = await self._send(text)
        else:
            await self._notice.edit(content=text)

    async def post(self, text: str) -> discord.Message:
        """Send a message; the first takes the notice's place."""
        if (notice := self._notice) is None:
            return await self._send(text)
        self._notice = None
        return await notice.edit(content=text)

    async def _send(self, text: str) -> discord.Message:
        channel = self._message.channel
        if self._replied:
            return await channel.send(text)
        # A message that was deleted meanwhile is answered all the same, without the reference.
        reference = self._message.to_reference(fail_if_not_exists=False)
        message = await channel.send(text, reference=reference)
        self._replied = True
        return message

    async def edit(self, message: object, text: str) -> None:
        """Replace the text of a message that `post` returned."""
        await cast(discord.Message, message).edit(content=text)

    async def attach(self, filename: str, text: str) -> None:
        """Send a text as a file."""
        await self._message.channel.send(file=_file(filename, text))

    async def refuse(self, sentence: str) -> None:
        """Reply with the sentence: Discord has no private answer to a message."""
        await self.post(sentence)

    async def done(self) -> None:
        """Take away a notice that nothing has followed; the typing sign ends by itself."""
        if self._notice is not None:
            await self._notice.delete()


def _file(filename: str, text: str) -> discord.File:
    return discord.File(io.BytesIO(text.encode()), filename)
