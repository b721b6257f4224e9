"""A fake completions server: well behaved unless it is told otherwise, request by request."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Behaviour = Callable[["Call"], Awaitable[web.StreamResponse]]
"""How one request is answered."""


class Call:
    """One request, and the means to answer it."""

    def __init__(self, request: web.Request, body: dict[str, Any]) -> None:
        self.request = request
        self.body = body
        self.gone = asyncio.Event()
        """Set when the client closed the connection before the answer's end."""

    async def begin(self, content_type: str = "text/event-stream") -> web.StreamResponse:
        """Send the head of a stream."""
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(self.request)
        return response

    def abort(self) -> None:
        """Cut the connection."""
        assert self.request.transport is not None
        self.request.transport.abort()


class FakeCompletions:
    """`async with FakeCompletions() as server:` serves until the block ends.

    Requests are answered by the `behaviours` in their order, then by `writes()`.
    """

    def __init__(self) -> None:
        self.behaviours = deque[Behaviour]()
        self.otherwise = writes()
        """How requests are answered when no behaviour is left."""
        self.calls: list[Call] = []
        self.url = ""
        """The base URL, as a config has it."""
        self._runner: web.AppRunner | None = None

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was asked for, request by request."""
        return [call.body for call in self.calls]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/completions", self._answer)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = Call(request, await request.json())
        self.calls.append(call)
        behaviour = self.behaviours.popleft() if self.behaviours else self.otherwise
        try:
            return await behaviour(call)
        except (asyncio.CancelledError, ConnectionError):
            call.gone.set()
            raise


# What is sent.


def event(text: str, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    """Return one event of a completion."""
    choice = {"index": 0, "text": text, "finish_reason": finish_reason, **more}
    return {"object": "text_completion", "choices": [choice]}


def usage(read: int, written: int) -> dict[str, Any]:
    """Return the event that counts tokens."""
    return {"choices": [], "usage": {"prompt_tokens": read, "completion_tokens": written}}


def line(said: Any) -> bytes:
    """Return an event's bytes."""
    return f"data: {json.dumps(said)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


# Behaviours.


def writes(*pieces: str, reason: str = "stop") -> Behaviour:
    """Stream some pieces as OpenAI does: text, a reason, the count, `[DONE]`."""
    pieces = pieces or ("Once", " upon", " a time.")

    async def behave(call: Call) -> web.StreamResponse:
        return await sends(
            *(line(event(piece)) for piece in pieces),
            line(event("", reason)),
            line(usage(len(call.body["prompt"].split()), len(pieces))),
            DONE,
        )(call)

    return behave


def sends(*data: bytes, content_type: str = "text/event-stream") -> Behaviour:
    """Stream these bytes and end the answer properly."""

    async def behave(call: Call) -> web.StreamResponse:
        response = await call.begin(content_type)
        for one in data:
            await response.write(one)
        await response.write_eof()
        return response

    return behave


def cuts(*data: bytes) -> Behaviour:
    """Stream these bytes, then cut the connection; without any not even a head is sent."""

    async def behave(call: Call) -> web.StreamResponse:
        response = web.StreamResponse()
        if data:
            response = await call.begin()
            for one in data:
                await response.write(one)
        call.abort()
        return response

    return behave


def hangs(*data: bytes) -> Behaviour:
    """Stream these bytes, then nothing until the client goes away."""

    async def behave(call: Call) -> web.StreamResponse:
        if data:
            response = await call.begin()
            for one in data:
                await response.write(one)
        await asyncio.Event().wait()
        raise AssertionError("nothing sets that event")

    return behave


def refuses(
    status: int,
    said: Any = None,
    *,
    headers: dict[str, str] | None = None,
    text: str | None = None,
) -> Behaviour:
    """Answer with a status and a JSON body, or a plain one."""

    async def behave(call: Call) -> web.StreamResponse:
        body = json.dumps(said) if text is None else text
        kind = "application/json" if text is None else "text/html"
        return web.Response(status=status, text=body, content_type=kind, headers=headers)

    return behave


def pieces_of(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Return each text as an event's bytes."""
    return tuple(line(event(text)) for text in texts)
