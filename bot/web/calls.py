"""Running calls: one streamed HTTP response each, and the ways in which it can end."""

import asyncio
import json
import logging
import re

from aiohttp import web

from backends import UserError
from bot.platform import Call, Dispatcher
from bot.typed import understand
from bot.web.surface import Event, WebSurface
from plugins.vocabulary import Request

log = logging.getLogger(__name__)

CALL_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
STREAM_HEADERS = {
    "Content-Type": "application/x-ndjson; charset=utf-8",
    "X-Accel-Buffering": "no",  # nginx would hold the stream back otherwise
}


class Calls:
    """The calls that are under way, by the id of their request."""

    def __init__(self, dispatcher: Dispatcher, write_timeout: float) -> None:
        """Streams whose reader takes nothing for `write_timeout` seconds are given up."""
        self._dispatcher = dispatcher
        self._write_timeout = write_timeout
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    async def answer(self, http: web.Request, asked: Request, line: str) -> web.StreamResponse:
        """Run what was typed, and stream its events until it ends or the reader goes away.

        Raises `UserError` where the same call is under way or no new ones are taken.
        """
        if self._closed:
            raise UserError("The bot is shutting down. Try again in a moment.")
        if asked.id in self._running:
            raise UserError("This message is being answered already.")
        surface = WebSurface()
        task = asyncio.create_task(self._run(asked, line, surface))
        task.add_done_callback(lambda _: surface.end())
        self._running[asked.id] = task
        try:
            return await self._stream(http, surface, task)
        finally:
            del self._running[asked.id]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, asked: Request, line: str, surface: WebSurface) -> None:
        try:
            typed = understand(line, self._dispatcher.commands)
            call = Call(request=asked, command=typed.command, options=typed.options)
            await self._dispatcher.dispatch(call, surface)
        except UserError as error:
            await surface.refuse(str(error))

    async def _stream(
        self, http: web.Request, surface: WebSurface, task: asyncio.Task[None]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=STREAM_HEADERS)
        await response.prepare(http)
        try:
            async for event in surface.events():
                await self._write(response, event)
            await asyncio.wait([task])
            await self._write(response, {"type": "done", "stopped": task.cancelled()})
            await response.write_eof()
        except TimeoutError:
            log.info("a browser stopped reading its answer; the call is cancelled")
            if http.transport is not None:
                http.transport.abort()
        except ConnectionError:
            log.debug("a browser went away in the middle of an answer")
        return response

    async def _write(self, response: web.StreamResponse, event: Event) -> None:
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
        async with asyncio.timeout(self._write_timeout):
            # A lone surrogate cannot be UTF-8; no text of ours has one, a plugin's might.
            await response.write(line.encode("utf-8", "replace"))

    def stop(self, call_id: str) -> bool:
        """Cancel a call; what it wrote stays. Return whether it was under way."""
        task = self._running.get(call_id)
        return task is not None and task.cancel()

    async def close(self) -> None:
        """Take no more calls and end the running ones; each stream still gets its last line."""
        self._closed = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
