"""The options of an `http` model in the config."""

import os
import re
from dataclasses import dataclass, field

from yarl import URL

from backends.options import number, refuse_unknown, string, whole_number
from backends.vocabulary import BackendError, ModelSpec

OPTIONAL_FIELDS = (
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "logit_bias",
    "bad_words",
    "logprobs",
)
"""Values of `Sampling` that not every server takes, under the names that vLLM gives them."""

_KNOWN = (
    "url", "model", "api_key_env", "takes", "empty_prompt", "context", "retries",
    "connect_timeout", "first_token_timeout", "between_tokens_timeout", "total_timeout",
)  # fmt: skip

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Where the servers are and how patient to be. Times are in seconds."""

    urls: tuple[URL, ...]
    """The completions endpoint of each server."""
    model: str
    """The model's name at the servers."""
    key: str = field(repr=False)
    """Sent as a bearer token; empty sends none."""
    key_env: str
    """The environment variable that the key comes from."""
    takes: frozenset[str]
    """Which of the `OPTIONAL_FIELDS` the servers take."""
    empty_prompt: str
    """What is sent where a prompt is empty; empty itself, such prompts are refused."""
    context: int | None
    connect_timeout: float
    first_token_timeout: float
    between_tokens_timeout: float
    total_timeout: float
    retries: int


def read_options(spec: ModelSpec) -> HttpOptions:
    """Read a model's options. Raises `BackendError` for the first that does not hold."""
    refuse_unknown(spec, _KNOWN)
    key_env = string(spec, "api_key_env", "")
    return HttpOptions(
        urls=_urls(spec),
        model=string(spec, "model", spec.name),
        key=_key(spec, key_env),
        key_env=key_env,
        takes=_takes(spec),
        empty_prompt=string(spec, "empty_prompt", ""),
        context=whole_number(spec, "context", 0, 0, 10_000_000) or None,
        connect_timeout=number(spec, "connect_timeout", 5, 0.01, _DAY),
        first_token_timeout=number(spec, "first_token_timeout", 60, 0.01, _DAY),
        between_tokens_timeout=number(spec, "between_tokens_timeout", 30, 0.01, _DAY),
        total_timeout=number(spec, "total_timeout", 300, 0.01, _DAY),
        retries=whole_number(spec, "retries", 2, 0, 10),
    )


def _urls(spec: ModelSpec) -> tuple[URL, ...]:
    given = _words(string(spec, "url", ""))
    if not given:
        raise BackendError(
            f"The model {spec.name} needs the option 'url', such as http://127.0.0.1:8000/v1."
        )
    return tuple(dict.fromkeys(_endpoint(spec, one) for one in given))


def _endpoint(spec: ModelSpec, given: str) -> URL:
    """Return the completions endpoint of a base URL; one without a path means its `/v1`."""
    # What was given is not repeated: it may hold a password.
    wrong = f"A 'url' of the model {spec.name} "
    try:
        url = URL(given)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not (url.host and url.port):
        raise BackendError(f"{wrong}must look like http://127.0.0.1:8000/v1 or https://host/v1.")
    if url.user is not None or url.password is not None:
        raise BackendError(
            f"{wrong}must hold no password: put the key into an environment variable "
            "and name that in 'api_key_env'."
        )
    if url.query_string or url.fragment:
        raise BackendError(f"{wrong}must end with its path, without ? and #.")
    base = url / "v1" if url.path == "/" else url
    return base.with_path(base.path.rstrip("/")) / "completions"


def _key(spec: ModelSpec, variable: str) -> str:
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise BackendError(
            f"The model {spec.name} needs a key in the environment variable {variable}: set it, "
            "or take 'api_key_env' out."
        )
    if not (key.isascii() and key.isprintable()):
        raise BackendError(f"The key in {variable} has characters that no key can have.")
    return key


def _takes(spec: ModelSpec) -> frozenset[str]:
    names = _words(string(spec, "takes", ""))
    unknown = sorted(set(names) - set(OPTIONAL_FIELDS))
    if unknown:
        raise BackendError(
            f"Option 'takes' of the model {spec.name} names {unknown[0]!r}; "
            f"it can name: {', '.join(OPTIONAL_FIELDS)}."
        )
    return frozenset(names)


def _words(listed: str) -> list[str]:
    """Split what is separated by commas or white space."""
    return [word for word in re.split(r"[,\s]+", listed) if word]
