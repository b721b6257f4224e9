"""The REST half of the fake Discord: the routes that a bot of this kind uses."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from tests.fakes.fake_discord import payloads
from tests.fakes.fake_discord.world import (
    EPHEMERAL,
    Interaction,
    Json,
    Message,
    World,
    pings,
    snowflake,
)

LIMIT = 2000
"""Characters of a message that a bot may send; the OpenAPI document says 4,000 for channels."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer, kept to be held against the OpenAPI document."""

    method: str
    path: str
    request: object
    status: int
    answer: object


@dataclass(slots=True)
class Upset:
    """An answer that the next matching request gets instead of its own."""

    path: str
    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.body: Json = {"message": text, "code": code}


@dataclass(slots=True)
class Sent:
    """The body of a request, and the file that came with it."""

    body: Any
    file_name: str | None = None
    file: str | None = None


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer of exactly `application/json`: a charset behind it breaks discord.py."""
    if status == 204:
        return web.Response(status=204)
    data = json.dumps(body).encode()
    return web.Response(
        status=status, body=data, headers={"Content-Type": "application/json", **(headers or {})}
    )


class Rest:
    """Handlers over a world; every exchange is kept."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.exchanges: list[Exchange] = []
        self.upsets: list[Upset] = []

    def routes(self) -> list[web.RouteDef]:
        commands = "/applications/{application}/commands"
        guild_commands = "/applications/{application}/guilds/{guild}/commands"
        hook = "/webhooks/{application}/{token}"
        return [
            web.get("/users/@me", self.handler(self.me)),
            web.get("/oauth2/applications/@me", self.handler(self.application)),
            web.put(commands, self.handler(self.register)),
            web.put(guild_commands, self.handler(self.register)),
            web.post("/interactions/{id}/{token}/callback", self.handler(self.callback)),
            web.post(hook, self.handler(self.follow_up)),
            web.patch(hook + "/messages/{message}", self.handler(self.edit_through_token)),
            web.delete(hook + "/messages/{message}", self.handler(self.delete_through_token)),
            web.post("/channels/{channel}/typing", self.handler(self.typing)),
            web.post("/channels/{channel}/messages", self.handler(self.send)),
            web.patch("/channels/{channel}/messages/{message}", self.handler(self.edit)),
            web.delete("/channels/{channel}/messages/{message}", self.handler(self.delete)),
        ]

    def handler(
        self, act: Callable[[web.Request, Sent], Awaitable[tuple[int, object]]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            sent = await read(request)
            headers: dict[str, str] = {}
            try:
                upset = self.next_upset(request.path)
                if upset is not None:
                    status, body, headers = upset.status, upset.body, upset.headers
                else:
                    self.check_token(request)
                    status, body = await act(request, sent)
            except RefusedError as refused:
                status, body = refused.status, refused.body
            asked = sent.body if request.can_read_body or sent.body else None
            self.exchanges.append(Exchange(request.method, request.path, asked, status, body))
            return answer(status, body, headers)

        return handle

    def next_upset(self, path: str) -> Upset | None:
        for upset in self.upsets:
            if upset.path in path:
                self.upsets.remove(upset)
                return upset
        return None

    def check_token(self, request: web.Request) -> None:
        # Interactions and webhooks carry their token in the path.
        if request.path.startswith(("/interactions", "/webhooks")):
            return
        if request.headers.get("Authorization") != f"Bot {self.world.token}":
            raise RefusedError(401, 0, "401: Unauthorized")

    # The application.

    async def me(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        return 200, payloads.own_user(self.world)

    async def application(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        return 200, payloads.application(self.world)

    async def register(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        registered: list[Json] = [{**one, "id": snowflake()} for one in sent.body]
        self.world.commands[request.match_info.get("guild")] = registered
        version = snowflake()
        return 200, [payloads.command(self.world, one, version) for one in registered]

    # Interactions.

    def interaction(self, request: web.Request) -> Interaction:
        found = self.world.interactions.get(request.match_info["token"])
        if found is None:
            raise RefusedError(404, 10015, "Unknown Webhook")
        if found.expired:
            raise RefusedError(401, 50027, "Invalid Webhook Token")
        return found

    async def callback(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        interaction = self.world.interactions.get(request.match_info["token"])
        if interaction is None:
            raise RefusedError(404, 10062, "Unknown interaction")
        if interaction.answered.is_set():
            raise RefusedError(400, 40060, "Interaction has already been acknowledged.")
        data: Json = sent.body.get("data") or {}
        if sent.body["type"] == 8:
            interaction.choices = data["choices"]
        else:
            message = Message(interaction.channel, self.world.bot, loading=sent.body["type"] == 5)
            message.ephemeral = bool((data.get("flags") or 0) & EPHEMERAL)
            interaction.original = message
            self.world.messages.append(message)
            if sent.body["type"] == 4:
                self.show(message, Sent(data, sent.file_name, sent.file))
        interaction.answered.set()
        return 200, {"interaction": self.callback_result(interaction)}

    def callback_result(self, interaction: Interaction) -> Json:
        result: Json = {"id": interaction.id, "type": interaction.type}
        if interaction.original is not None:
            result["response_message_id"] = interaction.original.id
            result["response_message_loading"] = interaction.original.loading
            result["response_message_ephemeral"] = interaction.original.ephemeral
        return result

    async def follow_up(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        interaction = self.interaction(request)
        if not interaction.answered.is_set():
            raise RefusedError(404, 10015, "Unknown Webhook")
        original = interaction.original
        if original is not None and original.loading and not original.deleted:
            # It takes the deferred answer's place, and its privacy, whatever its own flags say.
            self.show(original, sent)
            return 200, payloads.message(self.world, original)
        message = Message(interaction.channel, self.world.bot)
        message.ephemeral = bool((sent.body.get("flags") or 0) & EPHEMERAL)
        self.show(message, sent)
        self.world.messages.append(message)
        return 200, payloads.message(self.world, message)

    def through_token(self, request: web.Request) -> Message:
        interaction = self.interaction(request)
        name = request.match_info["message"]
        message = interaction.original if name == "@original" else self.world.message(name)
        if message is None or message.deleted:
            raise RefusedError(404, 10008, "Unknown Message")
        return message

    async def edit_through_token(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        message = self.through_token(request)
        self.show(message, sent)
        return 200, payloads.message(self.world, message)

    async def delete_through_token(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        self.through_token(request).deleted = True
        return 204, None

    # Channels.

    async def typing(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        return 204, None

    async def send(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        channel = request.match_info["channel"]
        if channel not in self.world.channels:
            raise RefusedError(404, 10003, "Unknown Channel")
        nonce = sent.body.get("nonce")
        known = self.world.nonces.get(f"{channel}/{nonce}") if nonce is not None else None
        if known is not None and sent.body.get("enforce_nonce"):
            return 200, payloads.message(self.world, known)
        message = Message(channel, self.world.bot)
        reference: Json | None = sent.body.get("message_reference")
        message.reply_to = str(reference["message_id"]) if reference else None
        self.show(message, sent)
        self.world.messages.append(message)
        self.world.nonces[f"{channel}/{nonce}"] = message
        return 200, payloads.message(self.world, message)

    async def edit(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        message = self.own_message(request)
        self.show(message, sent)
        return 200, payloads.message(self.world, message)

    async def delete(self, request: web.Request, sent: Sent) -> tuple[int, object]:
        self.own_message(request).deleted = True
        return 204, None

    def own_message(self, request: web.Request) -> Message:
        message = self.world.message(request.match_info["message"])
        if message is None or message.ephemeral:
            raise RefusedError(404, 10008, "Unknown Message")
        if message.author != self.world.bot:
            raise RefusedError(403, 50005, "Cannot edit a message authored by another user")
        return message

    def show(self, message: Message, sent: Sent) -> None:
        """Put a request's content into a message. Discord trims it on both sides."""
        content = (sent.body.get("content") or "").strip()
        if len(content) > LIMIT:
            raise RefusedError(400, 50035, f"Must be {LIMIT} or fewer in length.")
        if not content and sent.file is None:
            raise RefusedError(400, 50006, "Cannot send an empty message")
        if sent.file is not None:
            message.file_name, message.file = sent.file_name, sent.file
        allowed = sent.body.get("allowed_mentions")
        message.show(content, pings(content, allowed, replies=message.reply_to is not None))


async def read(request: web.Request) -> Sent:
    """The body of a request, JSON or multipart with `payload_json` and one file."""
    if not request.can_read_body:
        return Sent({})
    if not request.content_type.startswith("multipart/"):
        return Sent(json.loads(await request.read()))
    sent = Sent({})
    reader = await request.multipart()
    while isinstance(part := await reader.next(), BodyPartReader):
        data = bytes(await part.read(decode=True))
        if part.name == "payload_json":
            sent.body = json.loads(data)
        else:
            sent.file_name, sent.file = part.filename, data.decode()
    return sent
