"""A backend that writes its prompt back: deterministic, instant, and the tests' double."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from backends.options import number, refuse_unknown, refuse_unsupported
from backends.stop_strings import StopStrings
from backends.vocabulary import (
    Backend,
    BackendError,
    Chunk,
    FinishReason,
    ModelInfo,
    ModelSpec,
    Prompt,
    Usage,
)


async def open_echo(spec: ModelSpec) -> Backend:
    """Open an echo. Option `delay`: seconds between two words of a text (default 0)."""
    refuse_unknown(spec, ("delay",))
    return EchoBackend(spec.name, number(spec, "delay", 0, 0, 3600))


def split_words(text: str) -> list[str]:
    """Split a text into words, each with the white space before it; joined they are the text."""
    return re.findall(r"\s*\S+(?:\s+\Z)?|\s+", text)


class EchoBackend:
    """Writes each prompt's input back, a word a chunk. Its tokens are words."""

    def __init__(self, name: str, delay: float = 0) -> None:
        self._name = name
        self._delay = delay
        self._closed = asyncio.Event()

    @property
    def name(self) -> str:
        """The name under which the model was opened."""
        return self._name

    def info(self) -> ModelInfo:
        """Return what a user may know of the model."""
        return ModelInfo(
            name=self._name,
            backend="echo",
            details={"About": "No model: it writes every prompt back, word by word."},
        )

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Stream the prompt's input back n times, the texts side by side."""
        if self._closed.is_set():
            raise BackendError(f"The model {self._name} is closed.")
        refuse_unsupported(prompt.sampling, "echo", ("bad_words", "max_copied_words", "logprobs"))
        words = split_words(prompt.input)
        texts = [_Text(prompt, index, len(words)) for index in range(prompt.n)]
        for word in words[: prompt.sampling.max_tokens]:
            await self._pause()
            if self._closed.is_set():
                break
            for text in texts:
                if text.open and (chunk := text.write(word)):
                    yield chunk
        for text in texts:
            if text.open:
                yield text.end("cancelled" if self._closed.is_set() else None)

    async def aclose(self) -> None:
        """End texts under way as cancelled."""
        self._closed.set()

    async def _pause(self) -> None:
        """Wait for the delay, at least for the event loop's turn, but not when closed."""
        try:
            await asyncio.wait_for(self._closed.wait(), self._delay)
        except TimeoutError:
            await asyncio.sleep(0)


@dataclass
class _Text:
    """One of a prompt's texts while it is written."""

    prompt: Prompt
    index: int
    words: int
    written: int = 0
    open: bool = True
    watch: StopStrings = field(init=False)

    def __post_init__(self) -> None:
        self.watch = StopStrings(self.prompt.sampling.stop)

    def write(self, word: str) -> Chunk | None:
        self.written += 1
        shown = self.watch.feed(word)
        if self.watch.stopped:
            return self._last(shown, "stop")
        return Chunk(shown, self.index) if shown else None

    def end(self, reason: FinishReason | None) -> Chunk:
        whole: FinishReason = "stop" if self.written == self.words else "length"
        return self._last(self.watch.flush(), reason or whole)

    def _last(self, text: str, reason: FinishReason) -> Chunk:
        self.open = False
        usage = Usage(prompt_tokens=self.words, completion_tokens=self.written)
        seed = (self.prompt.sampling.seed or 0) + self.index
        return Chunk(text, self.index, reason, usage, seed)
