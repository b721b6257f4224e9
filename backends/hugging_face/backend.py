"""A causal language model as a backend, served to the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from backends.decoding.texts import Request
from backends.hugging_face.source import Source, find_source
from backends.hugging_face.tokens import load_tokenizer, token_bytes
from backends.hugging_face.worker import Worker
from backends.options import refuse_unknown, refuse_unsupported, string, whole_number
from backends.vocabulary import BackendError, Chunk, Load, ModelInfo, ModelSpec, Prompt

if TYPE_CHECKING:
    from backends.hugging_face.loading import Loaded

_DEVICES = ("auto", "cpu", "cuda")
_DTYPES = ("auto", "float32", "float16", "bfloat16")


async def open_checkpoint(spec: ModelSpec) -> "HuggingFaceBackend":
    """Load a checkpoint through PyTorch, in a thread."""
    refuse_unknown(spec, ("context", "device", "dtype"))
    device, dtype = _one_of(spec, "device", _DEVICES), _one_of(spec, "dtype", _DTYPES)

    def load(source: Source) -> "Loaded":
        from backends.hugging_face.loading import load_checkpoint

        return load_checkpoint(source, device, dtype)

    return await asyncio.to_thread(_open, spec, load, "train")


async def open_export(spec: ModelSpec) -> "HuggingFaceBackend":
    """Load what Optimum exported into ONNX Runtime, in a thread."""
    refuse_unknown(spec, ("context", "device"))
    device = _one_of(spec, "device", _DEVICES)

    def load(source: Source) -> "Loaded":
        from backends.hugging_face.loading import load_export

        return load_export(source, device)

    return await asyncio.to_thread(_open, spec, load, "optimum")


def _open(spec: ModelSpec, load: Callable[[Source], "Loaded"], extra: str) -> "HuggingFaceBackend":
    context = whole_number(spec, "context", 0, 0, 10_000_000)
    source = find_source(spec)
    with _installed(spec, extra):
        loaded = load(source)
        tokenizer = load_tokenizer(source.folder)
    if context:
        loaded = replace(loaded, context=min(context, loaded.context or context))
    return HuggingFaceBackend(spec, source, loaded, tokenizer)


@contextmanager
def _installed(spec: ModelSpec, extra: str) -> Generator[None]:
    try:
        yield
    except ImportError as error:
        lacking = _root(error).name
        extra = "cpu" if lacking == "onnxruntime" else extra
        raise BackendError(
            f"The model {spec.name} needs {lacking}, which is not installed: "
            f"pip install 'chinwag[{extra}]'"
        ) from error


def _root(error: ImportError) -> ImportError:
    """Return what a library wrapped: these import their parts when they are first used."""
    return _root(error.__cause__) if isinstance(error.__cause__, ImportError) else error


def _one_of(spec: ModelSpec, name: str, choices: tuple[str, ...]) -> str:
    """Return an option that is one of the choices, by default the first."""
    value = string(spec, name, choices[0])
    if value not in choices:
        raise BackendError(
            f"Option {name!r} of the model {spec.name} must be one of {', '.join(choices)}."
        )
    return value


class HuggingFaceBackend:
    """A model of the transformers library, ready to write one text at a time."""

    def __init__(
        self, spec: ModelSpec, source: Source, loaded: "Loaded", tokenizer: Tokenizer
    ) -> None:
        self._spec = spec
        self._source = source
        self._loaded = loaded
        self._tokenizer = tokenizer
        self._token_bytes = token_bytes(tokenizer)
        self._worker = Worker(loaded.decoder, loaded.end_tokens, spec.name)

    @property
    def name(self) -> str:
        """The name under which the model was opened."""
        return self._spec.name

    def info(self) -> ModelInfo:
        """Return what a user may know of the model."""
        memory = (
            f"at most {self._memory / 1e6:,.0f} MB: weights, and keys and values of the one text "
            "that is written at a time"
        )
        return ModelInfo(
            name=self.name,
            backend=self._spec.backend,
            context=self._loaded.context,
            details={**self._loaded.details, **self._source.facts(), "Memory": memory},
            defaults=self._source.about.get("defaults", {}),
        )

    def load(self) -> Load:
        """Return how busy the model is."""
        loaded, running = self._loaded, self._worker.running
        cached = len(running.tokens) if running else 0
        return Load(
            running=int(running is not None),
            waiting=self._worker.waiting,
            slots=1,
            cache_usage=cached / loaded.context if loaded.context else 0.0,
            memory_bytes=self._memory,
        )

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Stream the prompt's n texts. Raises `BackendError` where it leaves no room for any."""
        request = await self._request(prompt)
        self._worker.submit(request)
        open_texts = prompt.n
        try:
            while open_texts:
                chunk = await request.inbox.get()
                open_texts -= chunk.finish_reason is not None
                yield chunk
        finally:
            self._worker.abandon(request)

    async def aclose(self) -> None:
        """End texts under way as cancelled and free the model."""
        await asyncio.to_thread(self._worker.close)

    @property
    def _memory(self) -> int:
        """Bytes of the weights, and of a full cache where the context is bounded."""
        return self._loaded.weight_bytes + self._loaded.token_bytes * (self._loaded.context or 0)

    async def _request(self, prompt: Prompt) -> Request:
        refuse_unsupported(prompt.sampling, self._spec.backend, ("max_copied_words",))
        tokens = await asyncio.to_thread(self._encode, prompt.input)
        end_tokens, context = self._loaded.end_tokens, self._loaded.context
        room = prompt.sampling.max_tokens if context is None else context - len(tokens)
        if room < 1:
            raise BackendError(
                f"The prompt has {len(tokens):,} tokens; prompt and text of the model {self.name} "
                f"can have {context:,} together: shorten the prompt."
            )
        bounded = replace(prompt.sampling, max_tokens=min(prompt.sampling.max_tokens, room))
        return Request(
            replace(prompt, sampling=bounded),
            tokens,
            prefix=0,
            end_token=end_tokens[0] if end_tokens else -1,
            token_bytes=self._token_bytes,
        )

    def _encode(self, text: str) -> list[int]:
        """Return a prompt's tokens, at least one.

        Raises `BackendError` where the model knows none to begin with, or not one of them.
        """
        ids = self._tokenizer.encode(text).ids
        if not ids or self._source.about.get("prepend_end_token"):
            if (start := self._loaded.start_token) is None:
                raise BackendError(
                    f"The model {self.name} cannot begin a text by itself: write a few words first."
                )
            ids = [start, *ids]
        if max(ids) >= self._loaded.vocabulary:
            token = self._tokenizer.id_to_token(max(ids))
            raise BackendError(
                f"The model {self.name} has no weights for {token}: write without it."
            )
        return ids
