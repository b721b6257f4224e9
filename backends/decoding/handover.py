"""Carry chunks from the engine's thread to the event loops of those who read them."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import Protocol

from backends.vocabulary import BackendError, Chunk

Item = Chunk | BackendError

BACKLOG = 262_144
"""Characters that may wait for one reader; behind them the request is cancelled."""


class Inbox:
    """What a reader has not taken yet: at most one joined piece of each text, so it is bounded."""

    def __init__(self) -> None:
        self._chunks: dict[int, Chunk] = {}
        self._error: BackendError | None = None
        self._waiting = 0
        self._filled = asyncio.Event()

    def put(self, item: Item) -> None:
        """Add a piece, joined to what waits of its text, or an error as the last word.

        Call it in the reader's event loop. Raises `BackendError` where too much waits: then that
        is the last word, and what waited is dropped.
        """
        self._filled.set()
        if isinstance(item, BackendError):
            self._error = item
            return
        if before := self._chunks.get(item.index):
            logprobs = before.logprobs + item.logprobs
            item = replace(item, text=before.text + item.text, logprobs=logprobs)
            self._waiting -= len(before.text)
        self._chunks[item.index] = item
        self._waiting += len(item.text)
        if self._waiting > BACKLOG:
            self._chunks.clear()
            self._error = BackendError("The text was not read for too long and was cancelled.")
            raise self._error

    async def get(self) -> Chunk:
        """Wait for a piece and take it. Raises the last word where it is an error."""
        await self._filled.wait()
        if not self._chunks and self._error:
            raise self._error
        chunk = self._chunks.pop(next(iter(self._chunks)))
        self._waiting -= len(chunk.text)
        if not self._chunks and not self._error:
            self._filled.clear()
        return chunk


class Reader(Protocol):
    """Who takes what is handed over."""

    loop: asyncio.AbstractEventLoop
    inbox: Inbox
    abandoned: bool


Items = list[tuple[Reader, Item]]


class Outbox:
    """What a step brought; one call wakes each event loop, however many texts moved."""

    def __init__(self) -> None:
        self._items: Items = []

    def put(self, reader: Reader, item: Item) -> None:
        """Keep a chunk, or an error as a reader's last word, for the next delivery."""
        self._items.append((reader, item))

    def deliver(self) -> None:
        """Hand everything over. Readers whose event loop is gone are abandoned.

        An event loop that wakes wants the interpreter: call this before what does without it.
        """
        by_loop = defaultdict[asyncio.AbstractEventLoop, Items](list)
        for reader, item in self._items:
            by_loop[reader.loop].append((reader, item))
        self._items = []
        for loop, items in by_loop.items():
            _hand_over(loop, items)


def _hand_over(loop: asyncio.AbstractEventLoop, items: Items) -> None:
    try:
        loop.call_soon_threadsafe(_unpack, items)
    except RuntimeError:  # the loop is closed, and with it whoever waited
        for reader, _ in items:
            reader.abandoned = True


def _unpack(items: Items) -> None:
    """Run in the event loop: put the items into their readers' boxes."""
    for reader, item in items:
        try:
            reader.inbox.put(item)
        except BackendError:
            reader.abandoned = True
