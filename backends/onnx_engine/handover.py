"""Carry chunks from the engine's thread to the event loops of those who read them."""

import asyncio
from collections import defaultdict

from backends.onnx_engine.texts import Request
from backends.vocabulary import BackendError, Chunk

Item = tuple[Request, Chunk | BackendError]


class Outbox:
    """What a step brought; one call wakes each event loop, however many texts moved."""

    def __init__(self) -> None:
        self._items = defaultdict[asyncio.AbstractEventLoop, list[Item]](list)

    def put(self, request: Request, item: Chunk | BackendError) -> None:
        """Keep a chunk, or an error as a request's last word, for the next delivery."""
        self._items[request.loop].append((request, item))

    def deliver(self) -> None:
        """Hand everything over. Requests whose event loop is gone are abandoned."""
        for loop, items in self._items.items():
            try:
                loop.call_soon_threadsafe(_unpack, items)
            except RuntimeError:  # the loop is closed, and with it whoever waited
                for request, _ in items:
                    request.abandoned = True
        self._items.clear()


def _unpack(items: list[Item]) -> None:
    """Run in the event loop: sort the items into their readers' queues."""
    for request, item in items:
        request.chunks.put_nowait(item)
