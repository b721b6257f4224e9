"""The step loop: texts join between two steps, move forward together, and leave when they end.

The loop has a thread of its own. Other threads only submit, abandon and close; they and the loop
share the waiting queue under one lock, and all else belongs to the loop.
"""

import logging
import threading
from collections import deque

import numpy as np

from backends.onnx_engine.decoder import Decoder, Floats
from backends.onnx_engine.handover import Outbox
from backends.onnx_engine.texts import Request, Text
from backends.vocabulary import BackendError

log = logging.getLogger(__name__)


class Scheduler:
    """Shares one decoder's slots among all requests.

    Running texts hold the first slots without a gap, so that a step computes no row for nothing.
    """

    def __init__(self, decoder: Decoder, name: str) -> None:
        """Start the loop; `name` is the model's, for messages."""
        self._decoder = decoder
        self._name = name
        self._changed = threading.Condition()
        self._waiting = deque[Request]()
        self._closed = False
        self._running: list[Text] = []
        self._outbox = Outbox()
        # A daemon, so that a program that forgets to close does not hang at its end.
        self._thread = threading.Thread(target=self._loop, name=f"engine {name}", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def running(self) -> int:
        """Texts that hold a slot now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests of which texts wait for a slot."""
        return len(self._waiting)

    def submit(self, request: Request) -> None:
        """Queue a request. Raises `BackendError` after `close`."""
        with self._changed:
            if self._closed:
                raise BackendError(f"The model {self._name} is closed.")
            self._waiting.append(request)
            self._changed.notify()

    def abandon(self, request: Request) -> None:
        """Free what a request holds, before the next step."""
        with self._changed:
            request.abandoned = True
            self._changed.notify()

    def close(self) -> None:
        """End all texts as cancelled, and the loop. Returns when the thread has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _loop(self) -> None:
        while self._has_work():
            self._drop_abandoned()
            self._admit()
            self._step()
            self._outbox.deliver()
        self._cancel_all()
        self._outbox.deliver()

    def _has_work(self) -> bool:
        """Wait until there is something to do; False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._running or self._waiting)
            return not self._closed

    def _drop_abandoned(self) -> None:
        with self._changed:
            kept = [request for request in self._waiting if not request.abandoned]
            self._waiting = deque(kept)
        self._leave([text.request.abandoned for text in self._running])

    def _admit(self) -> None:
        """Give free slots to waiting texts, a text to each request in turn.

        At most one prompt is read between two steps: the running texts wait for it.
        """
        while len(self._running) < self._decoder.slots and (request := self._next_waiting()):
            must_read = self._source_of(request) is None
            try:
                self._begin(request)
            # Whatever goes wrong in a library concerns this request only, and the loop goes on.
            except Exception as error:
                self._fail(request, error)
            if must_read:
                break

    def _next_waiting(self) -> Request | None:
        with self._changed:
            return self._waiting.popleft() if self._waiting else None

    def _begin(self, request: Request) -> None:
        """Put the next text of a request into the first free slot and choose its first token."""
        slot, source = len(self._running), self._source_of(request)
        if request.logits is not None and source is not None:
            self._decoder.copy(source, slot, len(request.tokens))
        else:
            request.logits = self._decoder.prefill(slot, request.tokens)
            self._check(request.logits, slot)
        logits = request.logits.copy()
        self._running.append(request.pending.popleft())
        self._requeue(request)
        if self._advance(slot, logits):
            self._running.pop()

    def _requeue(self, request: Request) -> None:
        """Send a request with further texts to the end of the queue."""
        if not request.pending:
            request.logits = None
            return
        with self._changed:
            self._waiting.append(request)

    def _source_of(self, request: Request) -> int | None:
        """Return a slot that begins with this request's prompt."""
        slots = (slot for slot, text in enumerate(self._running) if text.request is request)
        return next(slots, None)

    def _step(self) -> None:
        """Move every running text one token forward."""
        if not self._running:
            return
        tokens = np.array([text.newest for text in self._running])
        lengths = np.array([text.length for text in self._running])
        try:
            logits = self._decoder.step(tokens, lengths)
        # Whatever goes wrong in a library ends the texts in this step, and the loop goes on.
        except Exception as error:
            for request in {text.request for text in self._running}:
                self._fail(request, error)
            self._running.clear()
            return
        for text in self._running:
            text.length += 1
        self._leave([self._ends(slot, logits[slot]) for slot in range(len(self._running))])

    def _ends(self, slot: int, logits: Floats) -> bool:
        """Advance the text in a slot; returns whether it ended."""
        request = self._running[slot].request
        try:
            self._check(logits, slot)
            return request.abandoned or self._advance(slot, logits)
        # Whatever goes wrong with one text concerns its request only, and the loop goes on.
        except Exception as error:
            self._fail(request, error)
            return True

    def _advance(self, slot: int, logits: Floats) -> bool:
        """Choose the next token of the text in a slot; returns whether it ended."""
        text = self._running[slot]
        chunk = text.advance(logits)
        if chunk.text or chunk.finish_reason:
            self._outbox.put(text.request, chunk)
        return chunk.finish_reason is not None

    def _check(self, logits: Floats, slot: int) -> None:
        """Raise `BackendError` where logits are no numbers, and clean the slot they came from."""
        if not np.isfinite(logits.sum()):
            self._decoder.clear(slot)
            raise BackendError(
                f"The model {self._name} computed something that is not a number: "
                "its weights are damaged. Export it again."
            )

    def _leave(self, ended: list[bool]) -> None:
        """Free the slots whose texts ended; the last running text moves into each gap."""
        for slot in reversed(range(len(ended))):
            if not ended[slot]:
                continue
            last = self._running.pop()
            if slot < len(self._running):
                self._decoder.copy(len(self._running), slot, last.length)
                self._running[slot] = last

    def _fail(self, request: Request, error: Exception) -> None:
        """End a request with an error that its reader may see."""
        if not isinstance(error, BackendError):
            log.error("The model %s failed", self._name, exc_info=error)
            error = BackendError(f"The model {self._name} failed while writing. Try again.")
        if not request.abandoned:
            self._outbox.put(request, error)
        request.abandoned = True

    def _cancel_all(self) -> None:
        with self._changed:
            waiting = [text for request in self._waiting for text in request.pending]
        for text in (*self._running, *waiting):
            self._outbox.put(text.request, text.end("cancelled"))
        self._running.clear()
