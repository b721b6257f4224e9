"""The engine as a backend: a model directory served to the event loop."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

from tokenizers import Tokenizer

from backends.card import Card, describe
from backends.decoding.detokenizer import TokenBytes
from backends.decoding.texts import Request
from backends.model_directory import GRAPH, TOKENIZER, verify_model
from backends.onnx_engine.decoder import Decoder
from backends.onnx_engine.devices import choose_provider, tell_if_cuda_failed
from backends.onnx_engine.scheduler import Scheduler
from backends.options import refuse_unknown, whole_number
from backends.vocabulary import BackendError, Chunk, Load, ModelInfo, ModelSpec, Prompt
from backends.word_index import FILES, WordIndex, open_word_index

log = logging.getLogger(__name__)

SLOTS = 8
"""Texts written at once unless the config says otherwise."""
KEPT = 4
"""Finished texts of which keys and values are kept, for prompts that begin alike."""


SHORT = 1000
"""Characters that are encoded in well under a millisecond."""


async def open_backend(spec: ModelSpec) -> "OnnxBackend":
    """Verify and load the model directory of a spec, in a thread."""
    return await asyncio.to_thread(_open, spec)


def _open(spec: ModelSpec) -> "OnnxBackend":
    refuse_unknown(spec, ("slots", "threads", "kept", "device"))
    slots = whole_number(spec, "slots", SLOTS, 1, 1024)
    threads = whole_number(spec, "threads", 0, 0, 1024)
    kept = whole_number(spec, "kept", KEPT, 0, 1024)
    if spec.path is None:
        raise BackendError(f"The model {spec.name} needs a path: the model directory to serve.")
    card = verify_model(spec.path)
    tokenizer = _load_tokenizer(spec.path / TOKENIZER, card)
    texts = (
        open_word_index(spec.path, spec.name) if card.files.keys() >= {*FILES.values()} else None
    )
    provider = choose_provider(spec.options.get("device", "auto"), spec.name, card.precision)
    try:
        decoder = Decoder(spec.path / GRAPH, card.architecture, slots, threads, kept, provider)
    except MemoryError:
        raise BackendError(
            f"There is not enough memory for {slots} slots and {kept} kept texts of the model "
            f"{spec.name}: use fewer."
        ) from None
    tell_if_cuda_failed(spec.name, provider=provider, on_cpu=decoder.on_cpu)
    backend = OnnxBackend(spec.name, card, tokenizer, decoder, texts)
    log.info("model %s: %s", spec.name, backend.info().details["Memory"])
    return backend


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

    def __init__(
        self,
        name: str,
        card: Card,
        tokenizer: Tokenizer,
        decoder: Decoder,
        training_texts: WordIndex | None = None,
    ) -> None:
        self._name = name
        self._card = card
        self._tokenizer = tokenizer
        self._token_bytes = TokenBytes(tokenizer)
        self._decoder = decoder
        self._training_texts = training_texts
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
        """Texts being read or written now."""
        return self._scheduler.running

    @property
    def waiting(self) -> int:
        """Requests of which texts wait for a slot."""
        return self._scheduler.waiting

    def info(self) -> ModelInfo:
        """Return what a user may know of the model."""
        memory = (
            f"at most {self._memory / 1e6:,.0f} MB: weights, and keys and values of "
            f"{self._decoder.slots} texts at once and {self._decoder.kept} kept"
        )
        return ModelInfo(
            name=self._name,
            backend="onnx",
            context=self._card.architecture.context,
            details=describe(self._card) | {"Memory": memory},
            defaults=self._card.defaults,
        )

    def load(self) -> Load:
        """Return how busy the model is."""
        slots, scheduler = self._decoder.slots, self._scheduler
        return Load(
            running=scheduler.running,
            waiting=scheduler.waiting,
            slots=slots,
            cache_usage=scheduler.cached / (slots * self._card.architecture.context),
            memory_bytes=self._memory,
            prefix_cache_queries=scheduler.tokens_queried,
            prefix_cache_hits=scheduler.tokens_reused,
        )

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Stream the prompt's n texts. Raises `BackendError` where its prefix leaves no room."""
        request = await self._request(prompt)
        self._scheduler.submit(request)
        open_texts = prompt.n
        try:
            while open_texts:
                chunk = await request.inbox.get()
                open_texts -= chunk.finish_reason is not None
                yield chunk
        finally:
            self._scheduler.abandon(request)

    async def aclose(self) -> None:
        """End texts under way as cancelled and free the model."""
        await asyncio.to_thread(self._scheduler.close)

    @property
    def _memory(self) -> int:
        """Bytes of the weights and of the cache when it is full."""
        return self._decoder.graph_bytes + self._decoder.cache_bytes

    async def _request(self, prompt: Prompt) -> Request:
        if prompt.sampling.max_copied_words and not self._training_texts:
            raise BackendError(
                f"The model {self._name} has no index of its training texts, so it cannot do "
                "max_copied_words: leave it at 0, or export the model with --originality-index."
            )
        tokens = await self._encode_aside(prompt.input)
        prefix = 0
        if len(tokens) + prompt.sampling.max_tokens > self._card.architecture.context:
            prefix = await asyncio.to_thread(self._prefix, prompt, tokens)
        return Request(
            prompt,
            tokens,
            prefix=prefix,
            end_token=self._card.end_token,
            token_bytes=self._token_bytes,
            training_texts=self._training_texts,
        )

    async def _encode_aside(self, text: str) -> list[int]:
        """Encode in a thread what takes long: for a short text waiting for the thread does."""
        if len(text) <= SHORT:
            return self._encode(text)
        return await asyncio.to_thread(self._encode, text)

    def _encode(self, text: str) -> list[int]:
        """Return a prompt's tokens, at least one; some tokenizers put one before every text."""
        ids = self._tokenizer.encode(text).ids
        starts = self._card.prepend_end_token or not ids
        return [self._card.end_token, *ids] if starts else ids

    def _prefix(self, prompt: Prompt, tokens: list[int]) -> int:
        """Return how many tokens stay when the context slides: those of the prompt's prefix.

        Raises `BackendError` where they would leave too little of the context.
        """
        if not prompt.prefix:
            return int(self._card.prepend_end_token)
        prefix = self._encode(prompt.prefix)
        # The last token of a prefix can be another where text follows.
        pairs = enumerate(zip(prefix, tokens, strict=False))
        length = next(
            (i for i, (one, other) in pairs if one != other), min(len(prefix), len(tokens))
        )
        context = self._card.architecture.context
        if length > context // 2:
            raise BackendError(
                f"The prefix has {length:,} tokens, more than half of the {context:,} that the "
                f"model {self._name} can read at once: shorten it, or ask for less text."
            )
        return length
