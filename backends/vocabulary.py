"""The words every other package speaks: what to generate, what comes back, and who generates it.

Names follow the field: `temperature`, `top_p`, `stop`, `finish_reason` mean what they mean in
OpenAI's completions API and in Hugging Face's generation settings.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

Value = str | int | float | bool
"""What a setting or an option of a command can hold."""

FinishReason = Literal["stop", "length", "cancelled"]
"""Why a text ended: by itself or at a stop string, at `max_tokens`, or called off."""


class UserError(Exception):
    """The one exception whose message is shown to a user as it stands.

    It is a whole sentence that says what is wrong and what to do, and holds no secret.
    """


class BackendError(UserError):
    """A backend could not do what it was asked. Foreign errors become this once, at the edge."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and when a text ends.

    Raises `UserError` where a value is out of its bounds.
    """

    temperature: float = 0.7
    """0 is greedy; 1 samples from the model's own distribution."""
    top_k: int = 0
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the likeliest tokens that together reach this probability; 1 keeps all."""
    min_p: float = 0.0
    """Drop tokens less likely than this share of the likeliest one; 0 keeps all."""
    repetition_penalty: float = 1.0
    """Divide the score of tokens seen before (Keskar et al. 2019, section 4.1); 1 is off."""
    presence_penalty: float = 0.0
    """Subtract from the score of tokens that the text itself already has; 0 is off."""
    logit_bias: Mapping[int, float] = field(default_factory=dict[int, float], hash=False)
    """Token id to what is added to its score; -100 or less is as good as a ban."""
    bad_words: tuple[str, ...] = ()
    """The text never comes to hold one of these strings, in upper or lower case."""
    max_copied_words: int = 0
    """The most words in a row that may be copied from the training texts; 0 is off."""
    logprobs: int | None = None
    """Report each token's log-probability and those of this many likeliest; `None` reports none.

    They are the model's own, before penalties and temperature.
    """
    max_tokens: int = 256
    """The most new tokens of one text, the prompt not counted."""
    stop: tuple[str, ...] = ()
    """A text ends before the first of these strings; the string itself is not part of it."""
    seed: int | None = None
    """The same seed gives the same text. `None` draws a new seed for every text."""

    def __post_init__(self) -> None:
        for name, (low, high) in SAMPLING_BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"{name} must be between {low:g} and {high:g}, not {value:g}.")
        if not all(-MAX_BIAS <= value <= MAX_BIAS for value in self.logit_bias.values()):
            raise UserError(f"A logit_bias must be between -{MAX_BIAS:,} and {MAX_BIAS:,}.")
        if "" in self.stop:
            raise UserError("A stop string must not be empty.")
        if not all(word.strip() for word in self.bad_words):
            raise UserError("A banned word must not be empty.")
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_LOGPROBS:
            raise UserError(f"logprobs must be between 0 and {MAX_LOGPROBS}, not {self.logprobs}.")


SAMPLING_BOUNDS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 5),
    "top_k": (0, 100_000),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repetition_penalty": (0.1, 10),
    "presence_penalty": (-2, 2),
    "max_copied_words": (0, 1000),
    "max_tokens": (1, 100_000),
}
"""Lowest and highest value of each number in `Sampling`, both allowed."""

MAX_BIAS = 10_000
"""The most that is added to a token's score or taken from it: far more than decides."""

MAX_LOGPROBS = 20
"""The most likeliest tokens of which log-probabilities are reported."""

MAX_TEXTS = 64
"""The most texts one prompt may ask for; callers that want more send several prompts."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to continue, and how.

    Raises `UserError` where `n` is out of its bounds or the text is none that UTF-8 can hold.
    """

    text: str
    """What follows the prefix; may be empty."""
    sampling: Sampling = field(default_factory=Sampling)
    n: int = 1
    """How many texts to write. Text i of a seeded prompt uses seed + i."""
    prefix: str = ""
    """A constant beginning, such as a channel's, put before `text` as it is."""
    include_prefix: bool = True
    """Whether the reader sees prefix and text before what the model wrote."""

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MAX_TEXTS:
            raise UserError(f"n must be between 1 and {MAX_TEXTS}, not {self.n}.")
        try:
            self.input.encode()
        except UnicodeEncodeError as error:
            raise UserError("The prompt holds half a character: it must be UTF-8.") from error

    @property
    def input(self) -> str:
        """All that the model continues: prefix and text."""
        return self.prefix + self.text


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one text: read (prompt) and written (completion, the end token not counted)."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely the model itself found one token that was written."""

    token: str
    """The token's text; bytes that are no whole character are shown as U+FFFD."""
    logprob: float
    """Natural logarithm of its probability."""
    top: Mapping[str, float] = field(default_factory=dict[str, float], hash=False)
    """The likeliest tokens there, likeliest first, as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one of the n texts: new text only, never the prompt.

    Each index ends with exactly one chunk that carries a `finish_reason` and the `usage`.
    Chunks of different indices may interleave. A character is never split between two chunks.
    """

    text: str
    index: int = 0
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    seed: int | None = None
    """On the last chunk: the seed that writes this text again."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the tokens chosen since the chunk before, where they were asked for."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a user may know of a model."""

    name: str
    backend: str
    context: int | None = None
    """The most tokens that prompt and text can have together; `None` where unknown."""
    details: Mapping[str, str] = field(default_factory=dict[str, str])
    """Facts in the order to show them, label to sentence: parameters, licence, data, losses, …"""
    defaults: Mapping[str, Value] = field(default_factory=dict[str, Value])
    """Settings the model's maker proposes (`prefix`, `truncate`, `temperature`, …)."""


class Backend(Protocol):
    """A model ready to write."""

    @property
    def name(self) -> str:
        """The name under which the model was opened."""
        ...

    def info(self) -> ModelInfo:
        """What a user may know of the model."""
        ...

    def generate(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        """Stream the prompt's n texts. Closing or cancelling the iterator frees the work at once.

        Raises `BackendError`, before the first chunk where the prompt itself is at fault.
        """
        ...

    async def aclose(self) -> None:
        """Free the model. Texts under way end with `finish_reason="cancelled"`."""
        ...


@dataclass(frozen=True, slots=True)
class Load:
    """How busy an open model is at this moment."""

    running: int = 0
    """Texts being written."""
    waiting: int = 0
    """Texts that wait for a slot."""
    slots: int | None = None
    """Texts that can be written at once; `None` where unknown."""
    cache_usage: float = 0.0
    """Share of the key/value cache that holds tokens of running texts, 0 to 1."""
    memory_bytes: int = 0
    """What the model holds in this process: its weights and its cache when full."""
    prefix_cache_queries: int = 0
    """Tokens of prompts read since the model was opened …"""
    prefix_cache_hits: int = 0
    """… and how many of them were cached already."""


@runtime_checkable
class Measured(Protocol):
    """A backend that can tell how busy it is."""

    def load(self) -> Load:
        """How busy the model is now. Returns at once, from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One entry of the config's `[models]` table, or a directory found in the models folder."""

    name: str
    backend: str
    path: Path | None = None
    options: Mapping[str, Value] = field(default_factory=dict[str, Value])


BackendFactory = Callable[[ModelSpec], Awaitable[Backend]]
"""Opens a model; raises `BackendError` where it cannot. Heavy work belongs into a thread."""
