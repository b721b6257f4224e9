"""A prompt as the body of a completions request."""

from typing import Any

from backends.http_backend.options import OPTIONAL_FIELDS, HttpOptions
from backends.options import refuse_unsupported
from backends.vocabulary import BackendError, Prompt, Sampling

_SMALLEST_TOP_P = 1e-6
"""Some servers refuse 0; this too keeps nothing but the likeliest token."""

_MOST_BIAS = 100.0
"""Servers refuse more; it is as good as a ban, or as certain, already."""


def check_prompt(prompt: Prompt, name: str, options: HttpOptions) -> None:
    """Raise `BackendError` where the servers would drop a wish or take no such prompt."""
    missing = [field for field in OPTIONAL_FIELDS if field not in options.takes]
    refuse_unsupported(prompt.sampling, "http", [*missing, "max_copied_words"])
    if not (prompt.input or options.empty_prompt):
        raise BackendError(f"The model {name} needs a beginning: write a few words first.")


def request_body(prompt: Prompt, seed: int, options: HttpOptions) -> dict[str, Any]:
    """Return the JSON body that asks for one text.

    Everything that the server takes is said, defaults too: its own defaults may be others.
    """
    sampling = prompt.sampling
    body: dict[str, Any] = {
        "model": options.model,
        "prompt": prompt.input or options.empty_prompt,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": max(sampling.top_p, _SMALLEST_TOP_P),
        "seed": seed,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    extra = _optional(sampling)
    return body | {name: extra[name] for name in extra.keys() & options.takes}


def _optional(sampling: Sampling) -> dict[str, Any]:
    """Return the values that not every server takes; lists and maps only where they are set."""
    values: dict[str, Any] = {
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
    }
    if sampling.logit_bias:
        values["logit_bias"] = {
            str(token): min(max(bias, -_MOST_BIAS), _MOST_BIAS)
            for token, bias in sampling.logit_bias.items()
        }
    if sampling.bad_words:
        values["bad_words"] = _spellings(sampling.bad_words)
    if sampling.logprobs is not None:
        values["logprobs"] = sampling.logprobs
    return values


def _spellings(words: tuple[str, ...]) -> list[str]:
    """Return each word as given and in the usual cases: servers ban a spelling, not a word."""
    ways = (str, str.lower, str.upper, str.capitalize)
    return list(dict.fromkeys(way(word) for word in words for way in ways))
