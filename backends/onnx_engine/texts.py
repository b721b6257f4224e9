"""A request and its texts, from their first token to their last."""

import asyncio
import secrets
from collections import deque

import numpy as np
from numpy.typing import NDArray

from backends.onnx_engine.detokenizer import Detokenizer, TokenBytes
from backends.onnx_engine.sampling import next_token
from backends.stop_strings import StopStrings
from backends.vocabulary import BackendError, Chunk, FinishReason, Prompt, Usage

Floats = NDArray[np.float32]


class Request:
    """A prompt on its way: its tokens, its texts still to begin, and who takes the chunks."""

    def __init__(
        self,
        prompt: Prompt,
        tokens: NDArray[np.int64],
        *,
        limit: int,
        end_token: int,
        token_bytes: TokenBytes,
    ) -> None:
        """Take a prompt as tokens; each text ends after `limit` new ones.

        Belongs to the running event loop, in which `chunks` are read.
        """
        self.loop = asyncio.get_running_loop()
        self.chunks = asyncio.Queue[Chunk | BackendError]()
        self.sampling = prompt.sampling
        self.tokens = tokens
        self.limit = limit
        self.end_token = end_token
        self.abandoned = False
        """Whether nobody waits for chunks any more. Set from any thread."""
        self.logits: Floats | None = None
        """What follows the prompt, (vocabulary,), kept while texts are still to begin."""
        self.pending = deque(Text(self, index, token_bytes) for index in range(prompt.n))

    def seed_of(self, index: int) -> int:
        """Return the seed of a text: the prompt's plus its index, or a new one."""
        given = self.sampling.seed
        return secrets.randbelow(2**31) if given is None else given + index


class Text:
    """One text of a request while it is written."""

    def __init__(self, request: Request, index: int, token_bytes: TokenBytes) -> None:
        self.request = request
        self.length = len(request.tokens)
        """How many tokens the text's slot holds; the newest token is not yet among them."""
        self._index = index
        self._seed = request.seed_of(index)
        self._written: list[int] = []
        prompt = request.tokens.tolist()
        # The end token is spared: a penalty on it would keep texts from ending.
        self._seen = [token for token in prompt if token != request.end_token]
        self._detokenizer = Detokenizer(token_bytes)
        self._watch = StopStrings(request.sampling.stop)

    @property
    def newest(self) -> int:
        """The last token written."""
        return self._written[-1]

    def advance(self, logits: Floats) -> Chunk:
        """Choose the next token from its logits (vocabulary,), which may be overwritten."""
        position = len(self._written)
        token = next_token(
            logits, self.request.sampling, self._seen, seed=self._seed, position=position
        )
        if token == self.request.end_token:
            return self.end("stop")
        self._written.append(token)
        self._seen.append(token)
        shown = self._watch.feed(self._detokenizer.feed(token))
        if self._watch.stopped:
            return self._last(shown, "stop")
        if len(self._written) == self.request.limit:
            return self._last(shown + self._watch.flush(), "length")
        return Chunk(shown, self._index)

    def end(self, reason: FinishReason) -> Chunk:
        """Return the last chunk of a text that ends here."""
        return self._last(self._watch.flush(), reason)

    def _last(self, text: str, reason: FinishReason) -> Chunk:
        usage = Usage(len(self.request.tokens), len(self._written))
        return Chunk(text, self._index, reason, usage, self._seed)
