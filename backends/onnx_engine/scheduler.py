"""The step loop: texts join between two steps, move forward together, and leave when they end.

The loop has a thread of its own. Other threads only submit, abandon and close; they and the loop
share the waiting queue under one lock, and all else belongs to the loop.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np

from backends.decoding.handover import Outbox
from backends.decoding.sampling import DAMAGED, Sampler
from backends.decoding.texts import Request, Text
from backends.decoding.weights import NONE
from backends.onnx_engine.decoder import Decoder
from backends.onnx_engine.prefix_cache import CHUNK, Held, Shelf, best_source
from backends.vocabulary import BackendError

log = logging.getLogger(__name__)

_LEAST_COST = 16
"""Fewer tokens than this take as long to read as this many: all weights are read for them."""


class Scheduler:
    """Shares one decoder's slots among all requests.

    Running texts hold the first slots without a gap, so that a step computes no row for nothing.
    One text at a time is read, a chunk after another, in a slot behind them.
    """

    def __init__(self, decoder: Decoder, name: str) -> None:
        """Start the loop; `name` is the model's, for messages."""
        self._decoder = decoder
        self._name = name
        self._changed = threading.Condition()
        self._waiting = deque[Request]()
        self._closed = False
        self._running: list[Text] = []
        self._reading: tuple[int, Text] | None = None
        self._sliding = deque[Text]()
        """Texts that go on once their shortened context is read; they come before new ones."""
        self._shelf = self._empty_shelf()
        sizes = decoder.sizes
        self._sampler = Sampler(decoder.slots, sizes.vocabulary, history=sizes.context)
        self._outbox = Outbox()
        self.tokens_queried = self.tokens_reused = 0
        """Tokens of prompts to be read so far, and those of them that were cached."""
        # A daemon, so that a program that forgets to close does not hang at its end.
        self._thread = threading.Thread(target=self._loop, name=f"engine {name}", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def running(self) -> int:
        """Texts that hold a slot now, or had one and go on as soon as they are read again."""
        held = len(self._running) + len(self._sliding) + (self._reading is not None)
        # Asked from another thread, a text on its way may be seen in two places.
        return min(held, self._decoder.slots)

    @property
    def waiting(self) -> int:
        """Requests of which texts wait for a slot."""
        return len(self._waiting)

    @property
    def cached(self) -> int:
        """Tokens that running texts hold in the cache."""
        return sum(text.cached for text in tuple(self._running))

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
            try:
                self._drop_abandoned()
                self._read()
                self._step()
            # Whatever goes wrong between texts ends those under way, and the loop goes on.
            except Exception as error:
                self._fail_all(error)
            if not self._running:
                self._outbox.deliver()
        self._cancel_all()
        self._outbox.deliver()

    def _has_work(self) -> bool:
        """Wait until there is something to do; False once closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closed or self._running or self._reading or self._sliding or self._waiting
                )
            )
            return not self._closed

    def _drop_abandoned(self) -> None:
        with self._changed:
            kept = [request for request in self._waiting if not request.abandoned]
            self._waiting = deque(kept)
        self._sliding = deque(text for text in self._sliding if not text.request.abandoned)
        if self._reading and self._reading[1].request.abandoned:
            self._reading = None
        self._leave([text.request.abandoned for text in self._running])

    # ---- reading prompts

    def _read(self) -> None:
        """Read prompts for about the time of a step or two: the running texts wait for it."""
        budget = CHUNK
        while budget > 0 and (reading := self._reading or self._begin_next()):
            budget -= self._read_chunk(*reading)

    def _begin_next(self) -> tuple[int, Text] | None:
        """Give the first slot behind the running texts to the next text, if there is one."""
        if len(self._running) == self._decoder.slots or not (text := self._next_text()):
            return None
        row = len(self._running)
        self._reading = (row, text)
        tokens = np.array(text.tokens[:-1], np.int64)
        asked = not text.written  # else it slid, and reads its own words again
        self.tokens_queried += len(tokens) * asked
        if found := best_source(self._held(), tokens, exact=text.exact):
            length, source = found
            self._decoder.copy(source.row, row, length)
            self._shelf.touch(source.row)
            text.cached, text.canonical = length, source.canonical_of(tokens, length)
            self.tokens_reused += length * asked
        return self._reading

    def _next_text(self) -> Text | None:
        """Return the next text to read: one that slid, or one of each waiting request in turn."""
        if self._sliding:
            return self._sliding.popleft()
        with self._changed:
            if not self._waiting:
                return None
            request = self._waiting.popleft()
            text = request.pending.popleft()
            if request.pending:
                self._waiting.append(request)
        text.slide(self._decoder.sizes.context)
        return text

    def _held(self) -> Iterator[Held]:
        for row, text in enumerate(self._running):
            yield Held(row, np.array(text.tokens[: text.cached], np.int64), text.canonical)
        yield from self._shelf

    def _read_chunk(self, row: int, text: Text) -> int:
        """Read on in a text, up to a border of chunks; returns what that cost.

        The last token is left for the next step, in which the text takes part.
        """
        start, goal = text.cached, len(text.tokens) - 1
        end = min(goal, (start // CHUNK + 1) * CHUNK)
        self._outbox.deliver()
        try:
            if start < end:
                self._decoder.prefill(row, np.array(text.tokens[start:end], np.int64), start)
            if text.canonical == start:
                text.canonical = end
            text.cached = end
            if end == goal:
                self._join(row, text)
        # Whatever goes wrong in a library concerns this request only, and the loop goes on.
        except Exception as error:
            self._reading = None
            self._fail(text.request, error)
            return CHUNK
        return max(end - start, _LEAST_COST)

    def _join(self, row: int, text: Text) -> None:
        """Let a text take part in the steps; what was read moves up where slots got free."""
        slot = len(self._running)
        if row != slot:
            self._decoder.copy(row, slot, text.cached)
        self._sampler.enter(slot, text.request.sampling, text.seed, text.penalised, text.written)
        self._running.append(text)
        self._reading = None

    # ---- moving forward

    def _step(self) -> None:
        """Move every running text one token forward."""
        if not self._running:
            return
        try:
            chosen = self._compute()
        # Whatever goes wrong in a library ends the texts in this step, and the loop goes on.
        except Exception as error:
            for request in {text.request for text in self._running}:
                self._fail(request, error)
            self._running.clear()
            return
        leaving = [self._ends(slot, token) for slot, token in enumerate(chosen)]
        if any(leaving):
            # Readers first: what a text leaves behind can take long to put aside.
            self._outbox.deliver()
        self._leave(leaving)

    def _compute(self) -> list[int]:
        """Run a step of the model and choose each text's next token."""
        tokens = np.array([text.tokens[-1] for text in self._running])
        lengths = np.array([text.cached for text in self._running])
        step = self._decoder.prepare(tokens, lengths, self._sampler.wishes(len(tokens)))
        # Readers run while the graph does, not while this thread wants the interpreter.
        self._outbox.deliver()
        chosen = self._sampler.choose(self._decoder.run(step), self._refuses)
        for text in self._running:
            text.cached += 1
        return chosen.tolist()

    def _refuses(self, slot: int, token: int) -> bool:
        return self._running[slot].refuses(token)

    def _ends(self, slot: int, token: int) -> bool:
        """Advance the text in a slot; returns whether it ended or slid, and must leave."""
        text = self._running[slot]
        try:
            return text.request.abandoned or self._advance(slot, text, token)
        # Whatever goes wrong with one text concerns its request only, and the loop goes on.
        except Exception as error:
            self._fail(text.request, error)
            return True

    def _advance(self, slot: int, text: Text, token: int) -> bool:
        if token == DAMAGED:
            text.cached = text.canonical = 0  # nothing to keep
            self._decoder.clear(slot)
            raise BackendError(
                f"The model {self._name} computed something that is not a number: "
                "its weights are damaged. Export it again."
            )
        if token == NONE:  # the banned words leave nothing to say
            chunk = text.end("stop")
        else:
            chunk = text.advance(token, self._sampler.likelihoods.get(slot))
        if chunk.text or chunk.finish_reason or chunk.logprobs:
            self._outbox.put(text.request, chunk)
        if chunk.finish_reason:
            return True
        if len(text.tokens) > self._decoder.sizes.context:
            self._sliding.append(text)
            return True
        return False

    def _leave(self, leaving: list[bool]) -> None:
        """Free the slots of texts that ended or slid; the last running text moves into each gap."""
        for slot in reversed(range(len(leaving))):
            if not leaving[slot]:
                continue
            self._keep(slot)
            last = len(self._running) - 1
            if slot < last:
                self._decoder.copy(last, slot, self._running[last].cached)
                self._sampler.move(last, slot)
                self._running[slot] = self._running[last]
            self._running.pop()
        for text in self._sliding:
            text.slide(self._decoder.sizes.context)

    def _keep(self, slot: int) -> None:
        """Put what a leaving text holds aside, for texts that begin alike."""
        text = self._running[slot]
        row = self._shelf.place_for(text.tokens[: text.cached], text.canonical)
        if row is not None:
            self._decoder.copy(slot, row, text.cached)

    def _fail(self, request: Request, error: Exception) -> None:
        """End a request with an error that its reader may see."""
        if not isinstance(error, BackendError):
            log.error("The model %s failed", self._name, exc_info=error)
            error = BackendError(f"The model {self._name} failed while writing. Try again.")
        if not request.abandoned:
            self._outbox.put(request, error)
        request.abandoned = True

    def _fail_all(self, error: Exception) -> None:
        """End all texts under way with an error, and forget what was put aside: it may be torn."""
        texts = [*self._running, *self._sliding]
        if self._reading:
            texts.append(self._reading[1])
        for request in {text.request for text in texts}:
            self._fail(request, error)
        self._running.clear()
        self._sliding.clear()
        self._reading = None
        self._shelf = self._empty_shelf()

    def _empty_shelf(self) -> Shelf:
        slots = self._decoder.slots
        return Shelf(range(slots, slots + self._decoder.kept))

    def _cancel_all(self) -> None:
        with self._changed:
            texts = [text for request in self._waiting for text in request.pending]
        texts += [*self._running, *self._sliding]
        if self._reading:
            texts.append(self._reading[1])
        for text in texts:
            self._outbox.put(text.request, text.end("cancelled"))
        self._running.clear()
