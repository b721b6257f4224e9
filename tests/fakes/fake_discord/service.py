"""The fake Discord itself: started, pointed at by discord.py, typed at and looked at."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from unittest import mock

import discord.gateway
import discord.http
import yarl
from aiohttp import web

from tests.fakes.fake_discord import payloads
from tests.fakes.fake_discord.gateway import MESSAGE_CONTENT, Gateway
from tests.fakes.fake_discord.rest import Exchange, Rest, Upset
from tests.fakes.fake_discord.world import (
    TOKEN_LIFE,
    Channel,
    Interaction,
    Json,
    Message,
    Person,
    World,
    snowflake,
)
from tests.waiting import until

SLASH, AUTOCOMPLETE = 2, 4
"""Kinds of interactions."""
SUBCOMMAND = 1
MESSAGE_MENU = 3


class FakeDiscord:
    """A guild with a category, the channels #lab and #den, a thread in #lab, and direct messages.

    While the block runs, every discord.py client in this process talks to it.
    """

    def __init__(self) -> None:
        self.world = World("right-token", Person("chinwag", bot=True))
        add = self.world.add_channel
        self.category = add(Channel("workshop", type=4))
        self.lab = add(Channel("lab", parent=self.category.id))
        self.den = add(Channel("den"))
        self.thread = add(Channel("tangent", type=11, parent=self.lab.id))
        self.direct = add(Channel("", type=1))
        self.rest = Rest(self.world)
        self.gateway = Gateway(self.world)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([*self.rest.routes(), web.get("/gateway", self.gateway.accept)])
        runner = web.AppRunner(app)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.gateway.url = f"ws://{host}:{port}/gateway"
        route, socket = discord.http.Route, discord.gateway.DiscordWebSocket
        base = f"http://{host}:{port}"
        self._stack.enter_context(mock.patch.object(route, "BASE", base))
        gateway = yarl.URL(self.gateway.url)
        self._stack.enter_context(mock.patch.object(socket, "DEFAULT_GATEWAY", gateway))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    # What users see.

    @property
    def token(self) -> str:
        return self.world.token

    @property
    def bot(self) -> Person:
        return self.world.bot

    @property
    def owner(self) -> Person:
        return self.world.owner

    @property
    def exchanges(self) -> list[Exchange]:
        return self.rest.exchanges

    def seen(self, channel: Channel | None = None) -> list[Message]:
        """The bot's messages that stand now, placeholders left out, oldest first."""
        return [
            message
            for message in self.world.messages
            if message.author == self.bot
            and message.versions
            and not message.deleted
            and (channel is None or message.channel == channel.id)
        ]

    def waiting(self) -> list[Message]:
        """The placeholders ("chinwag is thinking…") that stand now."""
        return [one for one in self.world.messages if one.loading and not one.deleted]

    def registered(self, guild: str | None = None) -> dict[str, Json]:
        """The commands that the bot registered, by name."""
        return {one["name"]: one for one in self.world.commands.get(guild, [])}

    async def bot_is_ready(self) -> None:
        """Wait until a bot is connected and its commands are registered."""
        await until(lambda: self.gateway.connected, "a bot connected")
        await until(lambda: self.world.commands, "a bot registered commands")

    # What users do.

    def person(self, name: str, *, admin: bool = False) -> Person:
        key = f"{name}{'!' if admin else ''}"
        return self.world.people.setdefault(key, Person(name, admin=admin))

    async def slash(
        self,
        command: str,
        options: Mapping[str, Any] | None = None,
        *,
        user: Person | None = None,
        channel: Channel | None = None,
        event: str | None = None,
        age: float = 0,
    ) -> Interaction:
        """Send a slash command and wait until the bot has acknowledged it.

        The same `event` (an id) twice is the same event again; `age` seconds ago is when it was
        sent. Only what the bot registered can be sent, as in a real client.
        """
        given = [self._given(command, name, value) for name, value in (options or {}).items()]
        return await self._interact(SLASH, self._data(command, given), user, channel, event, age)

    async def complete(
        self, command: str, option: str, typed: str, given: Mapping[str, Any] | None = None
    ) -> list[str]:
        """The proposals for an option while a user types."""
        focused = {**self._given(command, option, typed), "focused": True}
        others = [self._given(command, name, value) for name, value in (given or {}).items()]
        data = self._data(command, [*others, focused])
        interaction = await self._interact(AUTOCOMPLETE, data, None, None, None, 0)
        return [choice["value"] for choice in interaction.choices or []]

    async def menu(self, name: str, message: Message, user: Person | None = None) -> Interaction:
        """Choose an entry of a message's context menu."""
        entry = self._registered(name)
        assert entry["type"] == MESSAGE_MENU, f"{name} is no entry of a message's menu"
        target = payloads.message(self.world, message)
        resolved = {"messages": {message.id: target}}
        data: Json = {
            "id": entry["id"],
            "name": name,
            "type": MESSAGE_MENU,
            "target_id": message.id,
            "resolved": resolved,
        }
        channel = self.world.channels[message.channel]
        return await self._interact(SLASH, data, user, channel, None, 0)

    async def say(
        self,
        content: str,
        *,
        user: Person | None = None,
        channel: Channel | None = None,
        reply_to: Message | None = None,
        times: int = 1,
    ) -> Message:
        """Write a message into a channel; `times` is how often the bot is told of it."""
        author, place = user or self.person("ada"), channel or self.lab
        message = Message(place.id, author, content, versions=[content])
        message.reply_to = reply_to.id if reply_to else None
        self.world.messages.append(message)
        for session in self.gateway.connected * times:
            payload = payloads.message(self.world, message)
            if not self._may_read(session.intents, payload, place):
                payload["content"] = ""
            if place.type != 1:
                payload |= {"guild_id": self.world.guild, "member": payloads.member(author)}
            await self.gateway.emit(session, "MESSAGE_CREATE", payload)
        return message

    def _may_read(self, intents: int, payload: Json, place: Channel) -> bool:
        named = any(one["id"] == self.bot.id for one in payload["mentions"])
        return named or place.type == 1 or bool(intents & MESSAGE_CONTENT)

    async def _interact(
        self,
        kind: int,
        data: Json,
        user: Person | None,
        channel: Channel | None,
        event: str | None,
        age: float,
    ) -> Interaction:
        author, place = user or self.person("ada"), channel or self.lab
        number = event or snowflake(age)
        token = f"token-{number}"
        interaction = self.world.interactions.setdefault(
            token, Interaction(number, token, kind, place.id, author, expired=age > TOKEN_LIFE)
        )
        await self.gateway.dispatch(
            "INTERACTION_CREATE", self._interaction_payload(interaction, data, place)
        )
        await asyncio.wait_for(interaction.answered.wait(), 30)
        return interaction

    def _interaction_payload(self, one: Interaction, data: Json, place: Channel) -> Json:
        payload: Json = {
            "id": one.id,
            "application_id": self.world.application,
            "type": one.type,
            "data": data,
            "channel": payloads.channel(self.world, place),
            "channel_id": place.id,
            "token": one.token,
            "version": 1,
            "app_permissions": str(payloads.TALK),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": {"0": self.world.guild},
            "context": 1 if place.type == 1 else 0,
            "attachment_size_limit": 10_485_760,
        }
        if place.type == 1:
            return {**payload, "user": payloads.user(one.user)}
        person = {**payloads.member(one.user), "user": payloads.user(one.user)}
        person["permissions"] = payloads.permissions(one.user)
        return {**payload, "guild_id": self.world.guild, "member": person}

    # What a real client checks before it sends.

    def _registered(self, name: str) -> Json:
        both = self.registered(self.world.guild) | self.registered()
        assert name in both, f"the bot registered no {name!r}, only {sorted(both)}"
        return both[name]

    def _options_of(self, command: str) -> dict[str, Json]:
        first, _, second = command.partition(" ")
        options = self._registered(first).get("options", [])
        if second:
            options = next(one for one in options if one["name"] == second).get("options", [])
        return {one["name"]: one for one in options}

    def _given(self, command: str, name: str, value: object) -> Json:
        options = self._options_of(command)
        assert name in options, f"/{command} has no option {name!r}, only {sorted(options)}"
        return {"name": name, "type": options[name]["type"], "value": value}

    def _data(self, command: str, options: list[Json]) -> Json:
        first, _, second = command.partition(" ")
        entry = self._registered(first)
        if second:
            options = [{"name": second, "type": SUBCOMMAND, "options": options}]
        return {"id": entry["id"], "name": first, "type": 1, "options": options}

    # What goes wrong.

    def limit_next(self, path: str, retry_after: float = 0.01) -> None:
        """Answer the next request whose path holds `path` with a rate limit."""
        body: Json = {"message": "You are being rate limited.", "code": 0, "global": False}
        body["retry_after"] = retry_after
        self.rest.upsets.append(Upset(path, 429, body, {"Via": "1.1 fake"}))

    def fail_next(self, path: str, status: int, code: int = 0) -> None:
        """Answer the next request whose path holds `path` with an error."""
        self.rest.upsets.append(Upset(path, status, {"message": "no", "code": code}))
