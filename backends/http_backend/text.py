"""One text while a server writes it."""

from backends.http_backend.any_case import AnyCase
from backends.http_backend.events import Choice, Event
from backends.stop_strings import StopStrings
from backends.vocabulary import Chunk, FinishReason, Prompt, TokenLogprob, Usage


class Text:
    """Turns events into chunks. Servers differ: what a text must not hold is watched here, too."""

    def __init__(self, prompt: Prompt, index: int, seed: int) -> None:
        self.prompt = prompt
        self.index = index
        self.seed = seed
        self.begun = False
        """Whether the server has written some of it."""
        self.finish_reason: FinishReason | None = None
        """Why it ended, once it has."""
        self.cut = False
        """Whether it was ended here: what the server still writes is of no use."""
        self.usage: Usage | None = None
        """The server's count, once it has told."""
        self._pieces = 0
        self._logprobs: list[TokenLogprob] = []
        self._stop = StopStrings(prompt.sampling.stop)
        self._banned = AnyCase(prompt.sampling.bad_words)

    def feed(self, event: Event) -> Chunk | None:
        """Take an event and return what it adds, if anything."""
        if event.usage is not None:
            self.usage = Usage(event.usage.prompt_tokens, event.usage.completion_tokens)
        if not event.choices or self.finish_reason:
            return None
        choice = event.choices[0]
        shown = self._show(choice)
        if choice.finish_reason and not self.cut:
            self.begun = True
            self.finish_reason = "length" if choice.finish_reason == "length" else "stop"
        return self._chunk(shown) if shown else None

    def rest(self) -> Chunk | None:
        """Return what was held back of a text that the server did not end."""
        shown = self._flush()
        return self._chunk(shown) if shown else None

    def last(self, reason: FinishReason) -> Chunk:
        """Return the last chunk."""
        # A text cut here is not counted by the server: a piece is a token as good as always.
        usage = self.usage or Usage(prompt_tokens=0, completion_tokens=self._pieces)
        logprobs = self._take_logprobs()
        return Chunk(self._flush(), self.index, reason, usage, self.seed, logprobs)

    def _show(self, choice: Choice) -> str:
        if choice.logprobs and self.prompt.sampling.logprobs is not None:
            self._logprobs += choice.logprobs.of_tokens(self.prompt.sampling.logprobs)
        if not choice.text:
            return ""
        self.begun = True
        self._pieces += 1
        shown = self._watch(_whole_characters(choice.text))
        if not self.cut and self._pieces > self.prompt.sampling.max_tokens:
            # The server does not keep to max_tokens, and might never end.
            self._end("length")
        return shown

    def _watch(self, text: str) -> str:
        shown = self._banned.feed(self._stop.feed(text))
        if self._stop.stopped or self._banned.stopped:
            self._end("stop")
        return shown

    def _end(self, reason: FinishReason) -> None:
        self.finish_reason, self.cut = reason, True

    def _flush(self) -> str:
        if self._banned.stopped:
            return ""
        return self._banned.feed(self._stop.flush()) + self._banned.flush()

    def _chunk(self, shown: str) -> Chunk:
        return Chunk(shown, self.index, logprobs=self._take_logprobs())

    def _take_logprobs(self) -> tuple[TokenLogprob, ...]:
        taken, self._logprobs = tuple(self._logprobs), []
        return taken


def _whole_characters(text: str) -> str:
    """Replace halves of UTF-16 pairs, which JSON can hold and no output can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
