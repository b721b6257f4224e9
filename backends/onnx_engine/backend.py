"""The engine as a backend: a model directory served to the event loop."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from backends.card import Card, describe
from backends.model_directory import GRAPH, TOKENIZER, verify_model
from backends.onnx_engine.decoder import Decoder
from backends.onnx_engine.detokenizer import TokenBytes
from backends.onnx_engine.scheduler import Scheduler
from backends.onnx_engine.texts import Request
from backends.options import refuse_unknown, whole_number
from backends.vocabulary import BackendError, Chunk, ModelInfo, ModelSpec, Prompt

SLOTS = 8
"""Texts written at once unless the config says otherwise."""


async def open_backend(spec: ModelSpec) -> "OnnxBackend":
    """Verify and load the model directory of a spec, in a thread."""
    return await asyncio.to_thread(_open, spec)


def _open(spec: ModelSpec) -> "OnnxBackend":
    refuse_unknown(spec, ("slots", "threads"))
    slots = whole_number(spec, "slots", SLOTS, 1, 1024)
    threads = whole_number(spec, "threads", 0, 0, 1024)
    if spec.path is None:
        raise BackendError(f"The model {spec.name} needs a path: the model directory to serve.")
    card = verify_model(spec.path)
    tokenizer = _load_tokenizer(spec.path / TOKENIZER, card)
    try:
        decoder = Decoder(spec.path / GRAPH, card.architecture, slots, threads)
    except MemoryError:
        raise BackendError(
            f"There is not enough memory for {slots} slots of the model {spec.name}: use fewer."
        ) from None
    return OnnxBackend(spec.name, card, tokenizer, decoder)


def _load_tokenizer(path: Path, card: Card) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    # The tokenizers library raises Exception itself.
    except Exception as error:
        raise BackendError(f"{path.name} of the model {card.name} is broken: {error}") from error
    if max(tokenizer.get_vocab_size() - 1, card.end_token) >= card.architecture.vocabulary:
        raise BackendError(
            f"{path.name} of the model {card.name} has more tokens than its graph: export it again."
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class OnnxBackend:
    """A model directory, ready to write."""

    def __init__(self, name: str, card: Card, tokenizer: Tokenizer, decoder: Decoder) -> None:
        self._name = name
        self._card = card
        self._tokenizer = tokenizer
        self._token_bytes = TokenBytes(tokenizer)
        self._slots = decoder.slots
        self._cache_bytes = decoder.cache_bytes
        self._scheduler = Scheduler(decoder, name)

    @property
    def name(self) -> str:
        """The name under which the model was opened."""
        return self._name

    @property
    def closed(self) -> bool:
        """Whether the model takes no more prompts."""
        return self._scheduler.closed

    @property
    def running(self) -> int:
        """Texts being written now."""
        return self._scheduler.running

    @property
    def waiting(self) -> int:
        """Requests of which texts wait for a slot."""
        return self._scheduler.waiting

    def info(self) -> ModelInfo:
        """Return what a user may know of the model."""
        cache = (
            f"at most {self._cache_bytes / 1e6:,.0f} MB for keys and values "
            f"({self._slots} texts at once)"
        )
        return ModelInfo(
            name=self._name,
            backend="onnx",
            context=self._card.architecture.context,
            details=describe(self._card) | {"Memory": cache},
            defaults=self._card.defaults,
        )

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Stream the prompt's n texts. Raises `BackendError` where it is too long or work fails."""
        tokens = await asyncio.to_thread(self._encode, prompt.input)
        request = self._request(prompt, tokens)
        self._scheduler.submit(request)
        open_texts = prompt.n
        try:
            while open_texts:
                chunk = await request.chunks.get()
                if isinstance(chunk, BackendError):
                    raise chunk
                open_texts -= chunk.finish_reason is not None
                yield chunk
        finally:
            self._scheduler.abandon(request)

    async def aclose(self) -> None:
        """End texts under way as cancelled and free the model."""
        await asyncio.to_thread(self._scheduler.close)

    def _encode(self, text: str) -> NDArray[np.int64]:
        """Return a prompt's tokens. Raises `BackendError` where they leave no room to write."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        if self._card.prepend_end_token or not ids:
            ids = [self._card.end_token, *ids]
        most = self._card.architecture.context - 1
        if len(ids) > most:
            raise BackendError(
                f"The prompt has {len(ids):,} tokens and the model {self._name} reads at most "
                f"{most:,}: shorten it."
            )
        return np.array(ids, np.int64)

    def _request(self, prompt: Prompt, tokens: NDArray[np.int64]) -> Request:
        room = self._card.architecture.context - len(tokens)
        return Request(
            prompt,
            tokens,
            limit=min(prompt.sampling.max_tokens, room),
            end_token=self._card.end_token,
            token_bytes=self._token_bytes,
        )
