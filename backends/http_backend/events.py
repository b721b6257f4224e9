"""What a completions server says: its events, and its complaints."""

import json
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from backends.http_backend.errors import OPERATOR, ServerError
from backends.vocabulary import TokenLogprob

TELLING = 6
"""Characters in a row that tell something of a key."""

MAX_COMPLAINT = 200
"""The most characters shown of what a server complains about."""

_BROKEN_OFF = ("abort", "error")
"""What vLLM gives as the finish_reason of a text that did not end."""


class Logprobs(BaseModel):
    """Log-probabilities of an event's tokens, a list entry each."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float] | None] | None = None

    def of_tokens(self, most: int) -> list[TokenLogprob]:
        """Return them token by token, with at most so many likeliest ones, likeliest first."""
        tops = self.top_logprobs or [None] * len(self.tokens)
        return [
            TokenLogprob(token, logprob, _likeliest(top or {}, most))
            for token, logprob, top in zip(self.tokens, self.token_logprobs, tops, strict=False)
        ]


class Choice(BaseModel):
    """A piece of a text."""

    text: str
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Counts(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Event(BaseModel):
    """One event of a streamed completion (OpenAI's API reference, "Completions")."""

    choices: list[Choice] = Field(default_factory=list[Choice])
    usage: Counts | None = None


def read_event(data: str, key: str) -> Event:
    """Read an event's data. Raises `ServerError` for an error object and for anything else."""
    try:
        event = Event.model_validate_json(data)
    except ValidationError as error:
        if said := _readable(_told(data) or "", key):
            raise ServerError("broke off with an error", said=said) from error
        raise ServerError(
            "sent something that is no completion event",
            "Is `url` that of an OpenAI-compatible server? " + OPERATOR,
        ) from error
    if event.choices and event.choices[0].finish_reason in _BROKEN_OFF:
        raise ServerError("broke the text off")
    if not event.choices and event.usage is None and (said := _readable(_told(data) or "", key)):
        raise ServerError("broke off with an error", said=said)
    return event


def complaint(body: str, key: str) -> str:
    """Return what an answer complains about, on one line, shortened, without the key.

    Empty where it says nothing that a person could read, such as a web page.
    """
    said = _told(body)
    if said is None:
        said = "" if "<" in body or body.startswith(("{", "[")) else body
    return _readable(said, key)


def _told(body: str) -> str | None:
    """Return the sentence in a JSON body, empty without one; `None` where the body is no JSON."""
    try:
        return _message(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _message(answer: Any) -> str:
    """Find the sentence in `{"error": {"message": …}}` and its relatives of other servers."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list) and answer:
        return _message(answer[0])
    if isinstance(answer, dict):
        for name in ("error", "message", "detail", "msg"):
            if answer.get(name):
                return _message(answer[name])
    return ""


def _readable(said: str, key: str) -> str:
    said = _without(key, said[: 4 * MAX_COMPLAINT])
    line = "".join(one if one.isprintable() else " " for one in said)
    line = " ".join(line.split()).replace('"', "'")
    return line if len(line) <= MAX_COMPLAINT else line[: MAX_COMPLAINT - 1] + "…"


def _without(key: str, said: str) -> str:
    """Mask the key, and every part of it that is long enough to help in guessing it."""
    shortest = max(min(len(key), TELLING), 1)
    for size in range(len(key), shortest - 1, -1):
        for start in range(len(key) - size + 1):
            said = said.replace(key[start : start + size], "[key]")
    return said


def _likeliest(top: dict[str, float], most: int) -> dict[str, float]:
    return dict(sorted(top.items(), key=lambda one: -one[1])[:most])
