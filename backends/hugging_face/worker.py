"""The thread in which a model writes one text after another, and the line before it."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backends.decoding.draws import draw
from backends.decoding.handover import Outbox
from backends.decoding.sampling import DAMAGED, Sampler
from backends.decoding.texts import Request, Text
from backends.decoding.weights import NONE
from backends.vocabulary import BackendError, Chunk

log = logging.getLogger(__name__)


class Decoder(Protocol):
    """What computes logits: see `backends.hugging_face.decoder`."""

    def run(
        self,
        tokens: Sequence[int],
        limit: int,
        choose: Callable[[NDArray[np.float32]], int | None],
    ) -> None:
        """Read tokens, and then each that `choose` returns for logits, at most `limit`."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


class Worker:
    """Writes the texts of all requests, one of each in turn.

    One at a time: so a text never depends on what else is asked for, and a GPU holds one cache.
    """

    def __init__(self, decoder: Decoder, end_tokens: Collection[int], name: str) -> None:
        """Start the thread; `name` is the model's, for messages."""
        self._decoder = decoder
        self._end_tokens = end_tokens
        self._name = name
        self._changed = threading.Condition()
        self._waiting = deque[Request]()
        self._running: Text | None = None
        self._closed = False
        self._outbox = Outbox()
        # A daemon, so that a program that forgets to close does not hang at its end.
        self._thread = threading.Thread(target=self._loop, name=f"model {name}", daemon=True)
        self._thread.start()

    @property
    def running(self) -> Text | None:
        """The text that is written now."""
        return self._running

    @property
    def waiting(self) -> int:
        """Texts that wait for their turn."""
        return sum(len(request.pending) for request in tuple(self._waiting))

    def submit(self, request: Request) -> None:
        """Queue a request. Raises `BackendError` after `close`."""
        with self._changed:
            if self._closed:
                raise BackendError(f"The model {self._name} is closed.")
            self._waiting.append(request)
            self._changed.notify()

    def abandon(self, request: Request) -> None:
        """Drop what waits of a request; what is written of it ends before the next token."""
        with self._changed:
            request.abandoned = True
            if request in self._waiting:
                self._waiting.remove(request)

    def close(self) -> None:
        """End all texts as cancelled and free the model. Returns when the thread has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _loop(self) -> None:
        while text := self._next():
            self._write(text)
            self._running = None
        self._cancel_waiting()
        self._outbox.deliver()
        self._decoder.close()

    def _next(self) -> Text | None:
        """Wait for a text, the next of each waiting request in turn; `None` once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            request = self._waiting.popleft()
            self._running = request.pending.popleft()
            if request.pending:
                self._waiting.append(request)
            return self._running

    def _write(self, text: Text) -> None:
        request = text.request
        writing = _Writing(text, self._end_tokens, self._name)

        def choose(logits: NDArray[np.float32]) -> int | None:
            if request.abandoned:
                return None
            chunk = text.end("cancelled") if self._closed else writing.advance(logits)
            if chunk.text or chunk.finish_reason or chunk.logprobs:
                self._outbox.put(request, chunk)
                self._outbox.deliver()
            return None if chunk.finish_reason else text.tokens[-1]

        try:
            self._decoder.run(request.tokens, request.sampling.max_tokens, choose)
        # Whatever goes wrong in a library concerns this request only, and the loop goes on.
        except Exception as error:
            self._fail(request, error)

    def _fail(self, request: Request, error: Exception) -> None:
        """End a request with an error that its reader may see."""
        if not isinstance(error, BackendError):
            log.error("The model %s failed", self._name, exc_info=error)
            error = BackendError(f"The model {self._name} failed while writing. Try again.")
        if not request.abandoned:
            self._outbox.put(request, error)
            self._outbox.deliver()
        self.abandon(request)

    def _cancel_waiting(self) -> None:
        with self._changed:
            for request in self._waiting:
                for text in request.pending:
                    self._outbox.put(request, text.end("cancelled"))
            self._waiting.clear()


class _Writing:
    """A text, and the choice of its tokens."""

    def __init__(self, text: Text, end_tokens: Collection[int], name: str) -> None:
        self._text = text
        self._end_tokens = end_tokens
        self._name = name
        self._sampler: Sampler | None = None

    def advance(self, logits: NDArray[np.float32]) -> Chunk:
        """Choose the next token for logits (1, vocabulary), which are overwritten."""
        if self._sampler is None:
            self._sampler = self._begin(logits.shape[1])
        draws = draw(logits, self._sampler.wishes(1))
        [token] = self._sampler.choose(draws, lambda _, token: self._text.refuses(token)).tolist()
        if token == DAMAGED:
            raise BackendError(
                f"The model {self._name} computed something that is not a number: "
                "its weights are damaged, or its dtype is too small for them."
            )
        if token == NONE or token in self._end_tokens:
            return self._text.end("stop")
        return self._text.advance(token, self._sampler.likelihoods.get(0))

    def _begin(self, vocabulary: int) -> Sampler:
        text, sampling = self._text, self._text.request.sampling
        sampler = Sampler(1, vocabulary, history=len(text.tokens) + sampling.max_tokens)
        sampler.enter(0, sampling, text.seed, text.penalised)
        return sampler
