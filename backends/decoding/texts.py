"""A request and its texts, from their first token to their last."""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence

from backends.decoding.copies import CopyWatch
from backends.decoding.detokenizer import Detokenizer, TokenBytes
from backends.decoding.handover import Inbox
from backends.decoding.sampling import COLDEST, Likelihood
from backends.stop_strings import StopStrings
from backends.vocabulary import Chunk, FinishReason, Prompt, TokenLogprob, Usage
from backends.word_index import WordIndex


class Request:
    """A prompt on its way: its tokens, its texts still to begin, and who takes the chunks."""

    def __init__(
        self,
        prompt: Prompt,
        tokens: Sequence[int],
        *,
        prefix: int,
        end_token: int,
        token_bytes: TokenBytes,
        training_texts: WordIndex | None = None,
    ) -> None:
        """Take a prompt as tokens, of which the first `prefix` stay when the context slides.

        `max_copied_words` counts what is copied from `training_texts`; without them it is not
        heeded.
        Belongs to the running event loop, in which the inbox is read.
        """
        self.loop = asyncio.get_running_loop()
        self.inbox = Inbox()
        self.prompt = prompt
        self.sampling = prompt.sampling
        self.tokens = tokens
        self.prefix = prefix
        self.end_token = end_token
        self.token_bytes = token_bytes
        self.training_texts = training_texts
        self.abandoned = False
        """Whether nobody waits for chunks any more. Set from any thread."""
        self.pending = deque(Text(self, index) for index in range(prompt.n))

    def seed_of(self, index: int) -> int:
        """Return the seed of a text: the prompt's plus its index, or a new one."""
        given = self.sampling.seed
        return secrets.randbelow(2**31) if given is None else given + index


class Text:
    """One text of a request while it is written."""

    def __init__(self, request: Request, index: int) -> None:
        self.request = request
        self.seed = request.seed_of(index)
        self.tokens = list(request.tokens)
        """What the model attends to: what was read and written, less what slid away."""
        self.cached = 0
        """How many of the tokens the text's row of the cache holds."""
        self.canonical = 0
        """How many of those were read in whole chunks from the start, as any reading would."""
        self.written: list[int] = []
        self._index = index
        self._detokenizer = Detokenizer(request.token_bytes)
        self._watch = StopStrings(request.sampling.stop)
        self._bad_words = [word.casefold() for word in request.sampling.bad_words]
        self._tail = request.prompt.input.casefold()[-_reach(self._bad_words) :]
        self._copies = _watch_copies(request)

    @property
    def exact(self) -> bool:
        """Whether the text must come out the same to the last bit of its logits."""
        return self.request.sampling.seed is not None or self.request.sampling.temperature < COLDEST

    @property
    def penalised(self) -> list[int]:
        """The prompt's tokens that the repetition penalty counts.

        The end token is spared: a penalty on it would keep texts from ending.
        """
        return [token for token in self.request.tokens if token != self.request.end_token]

    def slide(self, context: int) -> None:
        """Let go of the older half of what follows the prefix, where the context is full.

        Positions move, so everything must be read again.
        """
        if len(self.tokens) > context:
            prefix = self.request.prefix
            self.tokens = self.tokens[:prefix] + self.tokens[-((context - prefix) // 2) :]
            self.cached = self.canonical = 0

    def refuses(self, token: int) -> bool:
        """Tell whether with this token a banned word is complete, or too much is copied."""
        piece = self._detokenizer.peek(token)
        if self._copies and self._copies.refuses(piece):
            return True
        piece = piece.casefold()
        return any(
            word in self._tail[max(len(self._tail) - len(word) + 1, 0) :] + piece
            for word in self._bad_words
        )

    def advance(self, token: int, likelihood: Likelihood | None) -> Chunk:
        """Take the next token, and what the model thought of it where that is asked for."""
        if token == self.request.end_token:
            return self.end("stop")
        self.written.append(token)
        self.tokens.append(token)
        logprobs = (self._report(token, likelihood),) if likelihood else ()
        piece = self._detokenizer.feed(token)
        if self._bad_words:
            self._tail = (self._tail + piece.casefold())[-_reach(self._bad_words) :]
        if self._copies:
            self._copies.feed(piece)
        shown = self._watch.feed(piece)
        if self._watch.stopped:
            return self._last(shown, "stop", logprobs)
        if len(self.written) == self.request.sampling.max_tokens:
            return self._last(shown + self._watch.flush(), "length", logprobs)
        return Chunk(shown, self._index, logprobs=logprobs)

    def end(self, reason: FinishReason) -> Chunk:
        """Return the last chunk of a text that ends here."""
        return self._last(self._watch.flush(), reason, ())

    def _last(self, text: str, reason: FinishReason, logprobs: tuple[TokenLogprob, ...]) -> Chunk:
        usage = Usage(len(self.request.tokens), len(self.written))
        return Chunk(text, self._index, reason, usage, self.seed, logprobs)

    def _report(self, token: int, likelihood: Likelihood) -> TokenLogprob:
        shown = self.request.token_bytes.shown
        top: dict[str, float] = {}
        for other, logprob in likelihood.top:
            top.setdefault(shown(other), logprob)  # of tokens that look alike, the likeliest
        return TokenLogprob(shown(token), likelihood.chosen, top)


def _watch_copies(request: Request) -> CopyWatch | None:
    limit, texts = request.sampling.max_copied_words, request.training_texts
    return CopyWatch(texts, limit, request.prompt.input) if limit and texts else None


def _reach(words: list[str]) -> int:
    """Return how many characters before a new piece can belong to a word that it completes."""
    return max((len(word) for word in words), default=1)
