import pytest

from backends import BackendError, ModelSpec, Value
from backends.http_backend.options import HttpOptions, read_options

HERE = "http://127.0.0.1:8000/v1"


def options(**given: Value) -> HttpOptions:
    return read_options(ModelSpec("big", "http", options={"url": HERE, **given}))


@pytest.mark.parametrize(
    ("given", "endpoints"),
    [
        (HERE, [f"{HERE}/completions"]),
        ("http://127.0.0.1:8000", [f"{HERE}/completions"]),
        ("https://host/api/v1/", ["https://host/api/v1/completions"]),
        (
            "http://a/v1, http://b/v1\n http://a",
            ["http://a/v1/completions", "http://b/v1/completions"],
        ),
    ],
)
def test_a_url_or_several_name_the_servers(given: str, endpoints: list[str]):
    assert [str(url) for url in options(url=given).urls] == endpoints


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("", "needs the option 'url'"),
        ("localhost:8000", "must look like"),
        ("ftp://host/v1", "must look like"),
        ("file:///etc/passwd", "must look like"),
        ("http://", "must look like"),
        ("http://host:port/v1", "must look like"),
        ("http://me:hunter2@host/v1", "must hold no password"),
        ("http://host/v1?key=hunter2", "must end with its path"),
    ],
)
def test_a_url_that_cannot_be_one_is_refused_without_repeating_it(given: str, what: str):
    with pytest.raises(BackendError, match=what) as told:
        options(url=given)
    assert "hunter2" not in str(told.value)


def test_the_servers_name_of_the_model_is_ours_unless_given():
    assert options().model == "big"
    assert options(model="org/big-7b").model == "org/big-7b"


def test_the_key_comes_from_the_environment_and_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BIG_KEY", " sk-123\n")
    read = options(api_key_env="BIG_KEY")
    assert read.key == "sk-123"
    assert "sk-123" not in repr(read)


def test_a_key_that_is_missing_or_cannot_be_one_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("BIG_KEY", raising=False)
    with pytest.raises(BackendError, match="environment variable BIG_KEY"):
        options(api_key_env="BIG_KEY")
    monkeypatch.setenv("BIG_KEY", "sk-1\r\nHost: elsewhere")
    with pytest.raises(BackendError, match="key in BIG_KEY") as told:
        options(api_key_env="BIG_KEY")
    assert "sk-1" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("takes", "top_k frequency_penalty", "names 'frequency_penalty'; it can name: top_k"),
        ("retries", 2.5, "whole number"),
        ("connect_timeout", 0, "must be a number"),
        ("urls", HERE, "unknown option 'urls'"),
        ("model", 7, "must be a text"),
    ],
)
def test_an_option_that_does_not_hold_is_told_in_a_sentence(name: str, value: Value, what: str):
    with pytest.raises(BackendError, match=what):
        options(**{name: value})


def test_what_the_servers_take_is_a_list():
    assert options(takes="top_k, min_p  logprobs").takes == {"top_k", "min_p", "logprobs"}
    assert options().takes == frozenset()
