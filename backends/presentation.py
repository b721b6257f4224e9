"""How a generated text is shown: with what it continues in front of it, or without."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Protocol

from backends.vocabulary import Chunk, Prompt


class Writer(Protocol):
    """What generates as a `Backend` does: one, or a command's context."""

    def generate(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        """Stream the prompt's n texts."""
        ...


async def presented(backend: Writer, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
    """Generate, and put the prompt's input in front of each text where the prompt asks for it.

    Unlike in gpt-2-simple, `include_prefix` counts with or without a stop string, found or not.
    Closing this generator closes the backend's iterator. Raises `BackendError` as `generate` does.
    """
    begun = set[int]()
    chunks = backend.generate(prompt)
    try:
        async for chunk in chunks:
            first = chunk.index not in begun
            begun.add(chunk.index)
            shown = prompt.include_prefix and first
            yield replace(chunk, text=prompt.input + chunk.text) if shown else chunk
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
