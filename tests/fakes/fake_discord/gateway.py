"""The gateway half of the fake Discord: one websocket a bot, with sessions that resume."""

import json
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.fakes.fake_discord import payloads
from tests.fakes.fake_discord.world import Json, World, snowflake

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
"""Operation codes."""
AUTHENTICATION_FAILED = 4004
"""The close code for a wrong token."""
MESSAGE_CONTENT = 1 << 15
"""The privileged intent without which most contents arrive empty."""


@dataclass(slots=True)
class Session:
    """What was sent to a bot; it may come back for what it missed."""

    id: str = field(default_factory=snowflake)
    intents: int = 0
    events: list[Json] = field(default_factory=list)
    socket: web.WebSocketResponse | None = None


class Gateway:
    """Accepts bots and sends them events."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        self.sessions: dict[str, Session] = {}
        self.closed_to_all = False
        """Whether nobody is let in at the moment."""

    async def accept(self, request: web.Request) -> web.StreamResponse:
        if self.closed_to_all:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await send(socket, {"op": HELLO, "d": {"heartbeat_interval": 41_250}})
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await self.receive(socket, json.loads(frame.data))
        return socket

    async def receive(self, socket: web.WebSocketResponse, packet: Json) -> None:
        if packet["op"] == HEARTBEAT:
            await send(socket, {"op": ACK})
        elif packet["op"] in (IDENTIFY, RESUME):
            if packet["d"]["token"] != self.world.token:
                await socket.close(code=AUTHENTICATION_FAILED, message=b"Authentication failed.")
            elif packet["op"] == IDENTIFY:
                await self.identify(socket, packet["d"])
            else:
                await self.resume(socket, packet["d"])

    async def identify(self, socket: web.WebSocketResponse, data: Json) -> None:
        session = Session(intents=data["intents"], socket=socket)
        ready: Json = {
            "v": 10,
            "user": payloads.own_user(self.world),
            "guilds": [{"id": self.world.guild, "unavailable": True}],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "application": {"id": self.world.application, "flags": 0},
        }
        await self.emit(session, "READY", ready)
        await self.emit(session, "GUILD_CREATE", payloads.guild(self.world))
        self.sessions[session.id] = session

    async def resume(self, socket: web.WebSocketResponse, data: Json) -> None:
        session = self.sessions.get(data["session_id"])
        if session is None:
            await send(socket, {"op": INVALID, "d": False})
            return
        session.socket = socket
        for event in session.events:
            if event["s"] > data["seq"]:
                await send(socket, event)
        await self.emit(session, "RESUMED", {})

    async def emit(self, session: Session, name: str, data: object) -> None:
        event: Json = {"op": DISPATCH, "t": name, "s": len(session.events) + 1, "d": data}
        session.events.append(event)
        if session.socket is not None and not session.socket.closed:
            await send(session.socket, event)

    @property
    def connected(self) -> list[Session]:
        """The sessions that can be reached now."""
        sessions = self.sessions.values()
        return [one for one in sessions if one.socket is not None and not one.socket.closed]

    async def dispatch(self, name: str, data: object) -> None:
        """Send an event to every connected bot."""
        for session in self.connected:
            await self.emit(session, name, data)

    async def drop(self, code: int) -> None:
        """Close all connections with a code."""
        for session in self.connected:
            if session.socket is not None:
                await session.socket.close(code=code)


async def send(socket: web.WebSocketResponse, packet: Json) -> None:
    await socket.send_str(json.dumps(packet))
