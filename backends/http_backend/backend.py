"""A model on servers, as a backend."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import aiohttp

from backends.http_backend.client import open_session
from backends.http_backend.options import HttpOptions, read_options
from backends.http_backend.replicas import Replicas
from backends.http_backend.request import check_prompt
from backends.http_backend.text import Text
from backends.http_backend.writer import Writer
from backends.vocabulary import BackendError, Chunk, Load, ModelInfo, ModelSpec, Prompt

_AHEAD = 64
"""Chunks kept for a reader who is behind; then the server is read no further."""

_Queue = asyncio.Queue[Chunk | tuple[int, Exception]]
"""Chunks, or the index of a text and why it failed."""


async def open_backend(spec: ModelSpec) -> "HttpBackend":
    """Read the options; no server is asked yet, so one that is down does not hinder the start."""
    options = read_options(spec)
    return HttpBackend(spec.name, options, open_session(options), Replicas(options.urls))


class HttpBackend:
    """A model that one or several servers serve. Belongs to the running event loop."""

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
        self._writer = Writer(name, options, session, replicas)
        self._writing = set[asyncio.Task[None]]()
        self._closed = False

    @property
    def name(self) -> str:
        """The name under which the model was opened."""
        return self._name

    def info(self) -> ModelInfo:
        """Return what a user may know of the model; where the servers are is not theirs to know."""
        return ModelInfo(
            name=self._name,
            backend="http",
            context=self._options.context,
            details={"Model": self._options.model, "Servers": str(len(self._options.urls))},
        )

    def load(self) -> Load:
        """Return how many texts the servers write for us."""
        return Load(running=self._replicas.running)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Stream the prompt's n texts, a request each, so that text i can have seed + i.

        Where one fails the others are written to their end before its `BackendError` is raised.
        """
        if self._closed:
            raise BackendError(f"The model {self._name} is closed.")
        check_prompt(prompt, self._name, self._options)
        queue = _Queue(_AHEAD)
        texts = [Text(prompt, index, _seed(prompt, index)) for index in range(prompt.n)]
        tasks = [self._start(self._write(text, queue)) for text in texts]
        failures: dict[int, Exception] = {}
        open_texts = prompt.n
        try:
            while open_texts:
                item = await queue.get()
                if isinstance(item, Chunk):
                    open_texts -= item.finish_reason is not None
                    yield item
                else:
                    open_texts -= 1
                    failures.update([item])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if failures:
            raise failures[min(failures)]

    async def aclose(self) -> None:
        """End texts under way as cancelled and close all connections."""
        self._closed = True
        for task in self._writing:
            task.cancel()
        await self._session.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def _write(self, text: Text, queue: _Queue) -> None:
        try:
            await self._writer.write(text, queue.put)
        except asyncio.CancelledError:
            if not self._closed:
                raise
            await queue.put(text.last("cancelled"))
        # Whatever it is, it is raised where the chunks are read.
        except Exception as error:
            await queue.put((text.index, error))


def _seed(prompt: Prompt, index: int) -> int:
    """Return a text's seed; without one for the prompt it is drawn here, so that it can be told."""
    given = prompt.sampling.seed
    return secrets.randbelow(2**31) if given is None else given + index
