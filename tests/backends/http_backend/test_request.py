from typing import Any

import pytest

from backends import BackendError, ModelSpec, Prompt, Sampling, Value
from backends.http_backend.options import OPTIONAL_FIELDS, HttpOptions, read_options
from backends.http_backend.request import check_prompt, request_body

AWAY = Sampling(
    top_k=5,
    min_p=0.1,
    repetition_penalty=1.2,
    presence_penalty=0.5,
    logit_bias={3: -1000, 4: 2.5},
    bad_words=("Darn",),
    logprobs=2,
)
"""Every optional value away from its default."""


def options(**given: Value) -> HttpOptions:
    return read_options(ModelSpec("big", "http", options={"url": "http://a/v1", **given}))


def body(prompt: Prompt, **given: Value) -> dict[str, Any]:
    return request_body(prompt, 7, options(**given))


def test_what_every_server_takes_is_always_said():
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=11, stop=("\n", "END"))
    assert body(Prompt("how", sampling, prefix="So ")) == {
        "model": "big",
        "prompt": "So how",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 11,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["\n", "END"],
    }


def test_what_a_server_takes_beyond_is_said_too():
    said = body(Prompt("how", AWAY), takes=" ".join(OPTIONAL_FIELDS))
    assert {name: said[name] for name in OPTIONAL_FIELDS} == {
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "presence_penalty": 0.5,
        "logit_bias": {"3": -100, "4": 2.5},
        "bad_words": ["Darn", "darn", "DARN"],
        "logprobs": 2,
    }


def test_a_default_is_said_where_the_server_may_have_another():
    said = body(Prompt("how"), takes=" ".join(OPTIONAL_FIELDS))
    assert (said["top_k"], said["min_p"], said["repetition_penalty"]) == (0, 0, 1)
    assert not said.keys() & {"logit_bias", "bad_words", "logprobs", "stop"}


@pytest.mark.parametrize("name", OPTIONAL_FIELDS)
def test_a_wish_that_the_server_does_not_take_is_refused_not_dropped(name: str):
    prompt = Prompt("how", AWAY)
    check_prompt(prompt, "big", options(takes=" ".join(OPTIONAL_FIELDS)))
    rest = " ".join(field for field in OPTIONAL_FIELDS if field != name)
    with pytest.raises(BackendError, match=f"cannot do {name}"):
        check_prompt(prompt, "big", options(takes=rest))


def test_a_limit_on_copies_is_refused_whatever_the_server_takes():
    prompt = Prompt("how", Sampling(max_copied_words=5))
    with pytest.raises(BackendError, match="cannot do max_copied_words"):
        check_prompt(prompt, "big", options(takes=" ".join(OPTIONAL_FIELDS)))


def test_an_empty_prompt_is_refused_unless_something_stands_for_it():
    with pytest.raises(BackendError, match="write a few words first"):
        check_prompt(Prompt(""), "big", options())
    check_prompt(Prompt("", prefix="So"), "big", options())
    check_prompt(Prompt(""), "big", options(empty_prompt="<|endoftext|>"))
    assert body(Prompt(""), empty_prompt="<|endoftext|>")["prompt"] == "<|endoftext|>"


def test_top_p_0_is_said_as_a_value_that_every_server_takes():
    assert 0 < body(Prompt("how", Sampling(top_p=0)))["top_p"] < 1e-5
