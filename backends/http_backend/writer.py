"""Write one text: choose a server, ask, ask again where that can help, say what went wrong."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import aiohttp

from backends.http_backend.client import AFTERWORD, Stream
from backends.http_backend.errors import ServerError
from backends.http_backend.options import HttpOptions
from backends.http_backend.replicas import Replica, Replicas
from backends.http_backend.request import request_body
from backends.http_backend.text import Text
from backends.vocabulary import BackendError, Chunk

log = logging.getLogger(__name__)

MAX_WAIT = 20.0
"""The most seconds waited before a server is asked again."""

_FIRST_WAIT = 0.5
"""Seconds before the second request to a server, at most; each further one doubles them."""

Put = Callable[[Chunk], Awaitable[None]]
"""Takes a chunk to who reads the text; waits while they are behind."""


class Writer:
    """Writes the texts of one model."""

    def __init__(
        self,
        name: str,
        options: HttpOptions,
        session: aiohttp.ClientSession,
        replicas: Replicas,
    ) -> None:
        self._name = name
        self._options = options
        self._session = session
        self._replicas = replicas

    async def write(self, text: Text, put: Put) -> None:
        """Write a text to its last chunk.

        Raises `BackendError`; what the server wrote before has been put then.
        """
        limit = self._options.total_timeout
        try:
            try:
                async with asyncio.timeout(limit):
                    await self._ask(text, put)
            except TimeoutError as error:
                late = ServerError(f"did not finish within {limit:g} s")
                log.warning("model %s: %s", self._name, late.what)
                raise late from error
        except ServerError as error:
            if rest := text.rest():
                await put(rest)
            who = f"he server of the model {self._name}"
            begin = f"The text is incomplete: t{who}" if text.begun else f"T{who}"
            raise BackendError(f"{begin} {error}") from error

    async def _ask(self, text: Text, put: Put) -> None:
        """Ask servers until one begins to write; from then on it is that one or none."""
        failed: list[Replica] = []
        problem: ServerError | None = None
        while replica := self._replicas.choose(failed):
            try:
                return await self._read(replica, text, put)
            except ServerError as error:
                log.warning("model %s: %s %s", self._name, replica.url.authority, error.what)
                problem = error
            failed.append(replica)
            if text.begun or len(failed) > self._options.retries:
                break
            if not (problem.again or (problem.elsewhere and self._is_another_left(failed))):
                break
            await self._pause(problem, failed)
        raise problem or self._replicas.left_alone()

    def _is_another_left(self, failed: list[Replica]) -> bool:
        replica = self._replicas.choose(failed)
        return replica is not None and replica not in failed

    async def _pause(self, problem: ServerError, failed: list[Replica]) -> None:
        """Wait before a server is asked again; another one is asked at once.

        Raises `ServerError` where the server wants to be left alone for too long.
        """
        if self._is_another_left(failed):
            return
        if problem.retry_after is None:
            most = min(MAX_WAIT, _FIRST_WAIT * 2 ** (len(failed) - 1))
            await asyncio.sleep(random.uniform(0, most))  # noqa: S311 - spreads load, hides nothing
        elif problem.retry_after <= MAX_WAIT:
            await asyncio.sleep(problem.retry_after)
        else:
            raise problem

    async def _read(self, replica: Replica, text: Text, put: Put) -> None:
        """Put what one server writes.

        Raises `ServerError`.
        """
        body = request_body(text.prompt, text.seed, self._options)
        stream = Stream(self._session, replica.url, body, self._options)
        with replica.request() as answered:
            await self._follow(stream, text, put, answered)
        if text.finish_reason is None:
            text.finish_reason = "stop"
        await put(text.last(text.finish_reason))

    async def _follow(
        self, stream: Stream, text: Text, put: Put, answered: Callable[[], None]
    ) -> None:
        """Feed a text until it is complete."""
        try:
            async with aclosing(stream.events()) as events:
                async for event in events:
                    answered()
                    if chunk := text.feed(event):
                        await put(chunk)
                    if text.cut or (text.finish_reason and text.usage):
                        return
                    if text.finish_reason:
                        stream.patience = min(stream.patience, AFTERWORD)
        except ServerError:
            # Only the count of tokens is missing.
            if text.finish_reason is None:
                raise
        if text.finish_reason is None and not stream.done:
            raise ServerError("ended the stream before the end of the text", again=True)
