"""The connection to Discord: events come in, each becomes a call."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import discord
from discord import app_commands
from discord.http import HTTPClient

from backends import UserError
from bot.config import DiscordConfig
from bot.discord_app.commands import application_commands, read_invocation
from bot.discord_app.places import PLATFORM, request_of_interaction, request_of_message
from bot.discord_app.surfaces import PACE, InteractionSurface, MessageSurface
from bot.platform import Call, Dispatcher

logger = logging.getLogger(__name__)

_TOKEN_REFUSED = 4004
"""The code with which the gateway closes on a wrong token."""
_STEADY = 60.0
"""Seconds after which a connection counts as having worked, and the most to wait for the next."""


PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    read_message_history=True,  # a reply refers to a message of the past
)
"""What the invitation asks of a guild."""


def intents() -> discord.Intents:
    """What Discord shall tell the bot: no privileged intents.

    Mentions of the bot, direct messages and targets of the context menu carry their content
    without the Message Content intent.
    """
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True)


class DiscordPlatform:
    """Serves one Discord application."""

    name = PLATFORM

    def __init__(
        self,
        config: DiscordConfig,
        dispatcher: Dispatcher,
        *,
        pace: float = PACE,
        settle: float = 2.0,
    ) -> None:
        """Prepare to serve. `settle` is how many seconds without a new guild mean that all came."""
        self._config = config
        self._dispatcher = dispatcher
        self._pace = pace
        self._settle = settle
        self._client: discord.Client | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._synced = False
        self._online = False

    @property
    def ready(self) -> bool:
        """Whether the bot is connected and knows its guilds."""
        return self._online

    async def serve(self) -> None:
        """Stay connected until cancelled. Raises `UserError` where the token is refused."""
        token = self._config.token.read().get_secret_value()
        # This bot never speaks aloud: no warnings about missing voice libraries.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        # Mentions are off for every send and every edit: a model may write "@everyone".
        client = discord.Client(
            intents=intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=self._settle,
        )
        for handler in (
            self.on_ready,
            self.on_resumed,
            self.on_disconnect,
            self.on_interaction,
            self.on_message,
        ):
            client.event(handler)
        self._client, self._synced = client, False
        try:
            await client.login(token)
            await self._stay_connected(client)
        except discord.LoginFailure as error:
            raise self._refused() from error
        except discord.ConnectionClosed as error:
            if error.code == _TOKEN_REFUSED:
                raise self._refused() from error
            raise
        finally:
            self._online = False
            await self._end_calls()
            await client.close()

    def _refused(self) -> UserError:
        return UserError(
            f"Discord refuses the bot's token in {self._config.token}. "
            "Reset it in the Developer Portal (Bot, Reset Token) and store the new one there."
        )

    async def _stay_connected(self, client: discord.Client) -> None:
        """Connect again when the connection ends for anything but Discord's own refusal.

        discord.py reconnects by itself, but one event that it cannot parse ends `connect()`.
        """
        failures = 0
        while not client.is_closed():
            began = time.monotonic()
            try:
                await client.connect()
            except discord.ConnectionClosed:
                raise
            except Exception:
                logger.exception("The connection to Discord broke; connecting again.")
            self._online = False
            failures = 0 if time.monotonic() - began > _STEADY else failures + 1
            with suppress(Exception):  # whatever state it is in, its place is taken now
                await client.ws.close()
            await asyncio.sleep(min(_STEADY, 2 ** min(failures, 6) - 1))

    async def _end_calls(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def on_ready(self) -> None:
        """Register the commands, once, and tell the operator how to invite the bot."""
        self._online = True
        client = self._client
        if client is None or client.application_id is None or self._synced:
            return
        self._synced = await self._register_commands(client.http, client.application_id)
        scopes = ("bot", "applications.commands")
        link = discord.utils.oauth_url(
            client.application_id, permissions=PERMISSIONS, scopes=scopes
        )
        logger.info("Discord: %d guilds. Invite the bot with %s", len(client.guilds), link)

    async def _register_commands(self, http: HTTPClient, application: int) -> bool:
        """Tell Discord all commands. It counts only new ones against its 200 a day."""
        commands: list[Any] = application_commands(self._dispatcher.commands)
        try:
            for guild in self._config.guilds:
                await http.bulk_upsert_guild_commands(application, guild, commands)
            if not self._config.guilds:
                await http.bulk_upsert_global_commands(application, commands)
        except discord.HTTPException as error:
            logger.error("Discord did not take the commands: %s", error)  # noqa: TRY400 - Discord's sentence says all
            return False
        return True

    async def on_resumed(self) -> None:
        """Be back after a short break; what was missed is delivered now."""
        self._online = True

    async def on_disconnect(self) -> None:
        """Be away; discord.py comes back by itself."""
        self._online = False

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer a slash command, its autocompletion, or the context menu."""
        if interaction.type is discord.InteractionType.application_command:
            self._start(self._answer_interaction(interaction))
        elif interaction.type is discord.InteractionType.autocomplete:
            self._start(self._propose(interaction))

    async def on_message(self, message: discord.Message) -> None:
        """Carry on what was said to the bot: behind a mention of it, or directly."""
        if message.author.bot or message.is_system():
            return
        text = self._said_to_bot(message)
        if text is not None:
            self._start(self._answer_message(message, text))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer_interaction(self, interaction: discord.Interaction) -> None:
        invocation = read_invocation(_data(interaction))
        private = any(
            command.private
            for command in self._dispatcher.commands
            if command.name == invocation.command
        )
        try:
            await interaction.response.defer(ephemeral=private, thinking=True)
        except discord.HTTPException as error:
            # Too late (3 seconds), or answered before: there is no way left to answer.
            logger.warning("An interaction could not be acknowledged: %s", error)
            return
        request = request_of_interaction(interaction)
        call = Call(request=request, command=invocation.command, options=invocation.options)
        await self._dispatcher.dispatch(call, InteractionSurface(interaction, private, self._pace))

    async def _answer_message(self, message: discord.Message, text: str) -> None:
        self._start(_show_typing(message.channel))
        call = Call(request=request_of_message(message), command="generate", options={"text": text})
        await self._dispatcher.dispatch(call, MessageSurface(message, self._pace))

    async def _propose(self, interaction: discord.Interaction) -> None:
        invocation = read_invocation(_data(interaction))
        given = dict(invocation.options)
        typed = str(given.pop(invocation.focused, ""))
        proposals = await self._dispatcher.complete(
            request_of_interaction(interaction),
            invocation.command,
            invocation.focused,
            typed,
            given,
        )
        choices = [app_commands.Choice(name=one[:100], value=one[:100]) for one in proposals[:25]]
        with suppress(discord.HTTPException):  # the user has typed on, or gone
            await interaction.response.autocomplete(choices)

    def _said_to_bot(self, message: discord.Message) -> str | None:
        """The text for the bot: behind its mention, or before it where nothing follows."""
        me = self._client.user if self._client is not None else None
        if me is None:
            return None
        for mark in (f"<@{me.id}>", f"<@!{me.id}>"):
            before, found, after = message.content.partition(mark)
            if found:
                return after.strip() or before.strip()
        return message.content if message.guild is None else None


async def _show_typing(channel: discord.abc.Messageable) -> None:
    with suppress(discord.HTTPException):  # only a courtesy
        await channel.typing()


def _data(interaction: discord.Interaction) -> dict[str, Any]:
    return dict(interaction.data or {})
