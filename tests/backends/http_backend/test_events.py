import pytest

from backends import TokenLogprob
from backends.http_backend.errors import ServerError
from backends.http_backend.events import MAX_COMPLAINT, complaint, read_event


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "too long", "type": "x"}}', "too long"),
        ('{"error": "too long"}', "too long"),
        ('{"detail": "too long"}', "too long"),
        ('{"detail": [{"loc": ["body"], "msg": "too long"}]}', "too long"),
        ('{"message": "too long"}', "too long"),
        ("too long", "too long"),
        ("too\n  long\x1b[31m", "too long [31m"),
        ('{"error": "a \\"quoted\\" word"}', "a 'quoted' word"),
        ("<html><body>nginx</body></html>", ""),
        ('{"answer": 42}', ""),
        ('{"error": {"code": 1}}', ""),
        ("no " * 100_000, ("no " * MAX_COMPLAINT)[: MAX_COMPLAINT - 1] + "…"),
        ("[" * 100_000, ""),
        ("", ""),
    ],
)
def test_a_complaint_is_one_readable_line(body: str, said: str):
    assert complaint(body, "") == said


def test_a_complaint_never_repeats_the_key():
    assert complaint('{"error": "no such key sk-123"}', "sk-123") == "no such key [key]"


@pytest.mark.parametrize(
    "part", ["sk-verysecret-12345", "sk-very", "ecret-12", "sk-verysecret-12…"]
)
def test_a_complaint_never_repeats_a_telling_part_of_the_key(part: str):
    said = complaint(f"wrong key '{part}'", "sk-verysecret-12345")
    assert said in ("wrong key '[key]'", "wrong key '[key]…'")


def test_logprobs_come_token_by_token_with_as_many_likeliest_as_asked_for():
    event = read_event(
        '{"choices": [{"text": "a b", "logprobs": {"tokens": ["a", " b"], '
        '"token_logprobs": [-0.5, -1], "top_logprobs": [{"x": -2, "a": -0.5, "y": -1}, null]}}]}',
        "",
    )
    logprobs = event.choices[0].logprobs
    assert logprobs
    read = logprobs.of_tokens(2)
    assert read == [TokenLogprob("a", -0.5, {"a": -0.5, "y": -1}), TokenLogprob(" b", -1)]
    assert list(read[0].top) == ["a", "y"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("{not json", "no completion event"),
        ('{"choices": [{"delta": {"content": "a"}}]}', "no completion event"),
        ('{"choices": 3}', "no completion event"),
        ("[" * 100_000, "no completion event"),
        ('{"error": {"message": "out of memory"}}', 'broke off with an error: "out of memory"'),
        ('{"error": "worker died", "choices": []}', 'broke off with an error: "worker died"'),
        ('{"choices": [{"text": "", "finish_reason": "abort"}]}', "broke the text off"),
    ],
)
def test_what_is_no_event_becomes_a_sentence(data: str, what: str):
    with pytest.raises(ServerError, match=what):
        read_event(data, "")


def test_an_event_without_choices_is_one():
    assert read_event('{"choices": [], "usage": {"prompt_tokens": 3}}', "").usage
    assert read_event("{}", "").choices == []
