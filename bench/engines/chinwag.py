"""Our own engine, through its public face; every text is a stream of its own, read as it comes."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from backends import ModelSpec, Prompt, Sampling
from backends.onnx_engine.backend import open_backend
from bench.engines import REPETITION_PENALTY, TEMPERATURE, TOP_P, cores

T = TypeVar("T")


class Chinwag:
    """A model directory in the onnx backend."""

    def __init__(self, directory: Path, slots: int) -> None:
        self.name = f"chinwag {directory.name}"
        self._runner = asyncio.Runner()
        options = {"slots": slots, "threads": cores()}
        self.backend = self.run(open_backend(ModelSpec(directory.name, "onnx", directory, options)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop that the backend belongs to."""
        return self._runner.run(work)

    def write(self, prompts: Sequence[str], new_tokens: int, seed: int) -> int:
        return self.run(self._write(prompts, new_tokens, seed))

    def close(self) -> None:
        self.run(self.backend.aclose())
        self._runner.close()

    async def _write(self, prompts: Sequence[str], new_tokens: int, seed: int) -> int:
        streams = (
            self._stream(Prompt(text, sampling(new_tokens, seed + place)))
            for place, text in enumerate(prompts)
        )
        return sum(await asyncio.gather(*streams))

    async def _stream(self, prompt: Prompt) -> int:
        written = 0
        async for chunk in self.backend.generate(prompt):
            if chunk.usage:
                written = chunk.usage.completion_tokens
        return written


def sampling(new_tokens: int, seed: int) -> Sampling:
    """Return the sampling of every comparison."""
    return Sampling(
        temperature=TEMPERATURE,
        top_p=TOP_P,
        repetition_penalty=REPETITION_PENALTY,
        max_tokens=new_tokens,
        seed=seed,
    )
