"""What the http backend's tests share: open a model on fake servers, and read all it says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backends import Backend, BackendError, Chunk, ModelSpec, Prompt, Value
from backends.http_backend import open_http
from backends.http_backend.backend import HttpBackend
from tests.fakes.fake_completions import FakeCompletions


@asynccontextmanager
async def model(*servers: FakeCompletions, **options: Value) -> AsyncIterator[HttpBackend]:
    """Open a model on some servers as the bot does."""
    urls = " ".join(server.url for server in servers)
    backend = await open_http(ModelSpec("big", "http", options={"url": urls, **options}))
    assert isinstance(backend, HttpBackend)
    try:
        yield backend
    finally:
        await backend.aclose()


@dataclass(frozen=True)
class Told:
    """All that came of a prompt."""

    chunks: list[Chunk]
    error: str
    """The sentence at the end, or nothing."""

    @property
    def text(self) -> str:
        return self.texts[0]

    @property
    def texts(self) -> list[str]:
        many = max((chunk.index for chunk in self.chunks), default=0) + 1
        return [
            "".join(chunk.text for chunk in self.chunks if chunk.index == index)
            for index in range(many)
        ]

    @property
    def last(self) -> Chunk:
        """The only text's last chunk."""
        [last] = [chunk for chunk in self.chunks if chunk.finish_reason]
        return last


def nothing() -> None:
    """Do it."""


async def ask(
    backend: Backend, prompt: Prompt | str = "Go on", at_first: Callable[[], None] = nothing
) -> Told:
    """Return all that a model says; `at_first` is called at the first chunk."""
    prompt = Prompt(prompt) if isinstance(prompt, str) else prompt
    chunks: list[Chunk] = []
    try:
        async for chunk in backend.generate(prompt):
            chunks.append(chunk)
            if len(chunks) == 1:
                at_first()
    except BackendError as error:
        return Told(chunks, str(error))
    return Told(chunks, "")
