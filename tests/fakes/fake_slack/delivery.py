"""The two ways in which Slack hands an event to an app: a Socket Mode envelope, a signed POST."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from itertools import count
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.waiting import PATIENCE, until

Kind = Literal["slash_commands", "events_api"]
SIGNING_SECRET = "fake-signing-secret"  # noqa: S105 - the fake's own, worth nothing elsewhere


class SocketMode:
    """The fake's end of the app's websockets."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self._acknowledged: dict[str, asyncio.Future[Any]] = {}
        self._numbers = count(1)

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it closes."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": len(self.sockets) + 1})
        self.sockets.append(socket)
        try:
            async for message in socket:
                self._acknowledge(message.json())
        finally:
            self.sockets.remove(socket)
        return socket

    def _acknowledge(self, answer: Mapping[str, Any]) -> None:
        if waiting := self._acknowledged.pop(answer["envelope_id"], None):
            waiting.set_result(answer.get("payload"))

    async def deliver(self, kind: Kind, payload: Mapping[str, Any], *, retry: int = 0) -> Any:
        """Send an envelope; the app's answer to it, `None` for a bare acknowledgement."""
        await until(lambda: self.sockets, "a connection of the app")
        envelope = f"E{next(self._numbers)}"
        waiting = self._acknowledged[envelope] = asyncio.get_running_loop().create_future()
        await self.sockets[-1].send_json(
            {
                "type": kind,
                "envelope_id": envelope,
                "payload": payload,
                "accepts_response_payload": kind == "slash_commands",
                "retry_attempt": retry,
                "retry_reason": "timeout" if retry else "",
            }
        )
        async with asyncio.timeout(PATIENCE):
            return await waiting

    async def refresh(self) -> None:
        """Ask the app to connect anew, as Slack does every few hours."""
        await self.sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def close(self) -> None:
        """End all connections."""
        for socket in list(self.sockets):
            await socket.close()


class SignedHttp:
    """Posts to the app's request URL as Slack does."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def deliver(self, kind: Kind, payload: Mapping[str, Any], *, retry: int = 0) -> Any:
        """Post; the app's answer, `None` for a bare acknowledgement."""
        if kind == "slash_commands":
            body, content_type = urlencode(payload), "application/x-www-form-urlencoded"
        else:
            body, content_type = json.dumps(payload), "application/json"
        headers = {"Content-Type": content_type, **signature(body)}
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"}
        status, answer = await self.post(body, headers)
        assert status == 200, f"the app answered {status}: {answer}"
        return json.loads(answer) if answer.startswith("{") else answer or None

    async def post(self, body: str | bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Post anything at all: status and text of the answer."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, data=body, headers=headers) as response,
        ):
            return response.status, await response.text()


def signature(body: str, timestamp: str | None = None) -> dict[str, str]:
    """The headers that prove that a request is Slack's."""
    timestamp = timestamp or str(int(time.time()))
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256)
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest.hexdigest()}",
    }
