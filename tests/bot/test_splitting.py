from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.splitting import cut, open_fence, split

PIECES = st.sampled_from(
    ["word", "été", "🦉", " ", "\n", "\n\n", "```", "```py\n", "\n```\n", "````\n", "`x`", "a" * 30]
)
TEXTS = st.lists(PIECES, max_size=80).map("".join) | st.text(max_size=300)
LIMITS = st.integers(20, 120)


def escaped(text: str) -> int:
    """Slack's way: an ampersand counts five."""
    return len(text.replace("&", "&amp;"))


@given(TEXTS, LIMITS)
def test_the_bodies_joined_are_the_text(text: str, limit: int):
    assert "".join(part.body for part in split(text, limit)) == text


@given(TEXTS, LIMITS)
def test_no_message_is_longer_than_the_limit(text: str, limit: int):
    assert all(len(part.shown) <= limit for part in split(text, limit))


@given(st.text(alphabet="&ab \n`", max_size=300), st.integers(30, 120))
def test_the_limit_is_counted_as_the_platform_counts(text: str, limit: int):
    parts = split(text, limit, escaped)
    assert "".join(part.body for part in parts) == text
    assert all(escaped(part.shown) <= limit for part in parts)


@given(st.lists(st.text(alphabet="abcé", min_size=1, max_size=15), max_size=100), LIMITS)
def test_no_word_is_broken_that_fits_a_message(words: list[str], limit: int):
    shown = [part.shown for part in split(" ".join(words), limit)]
    assert [word for text in shown for word in text.split()] == words


@given(TEXTS, LIMITS)
def test_a_message_that_closes_a_fence_shows_it_closed_and_the_next_opens_it_again(
    text: str, limit: int
):
    parts = split(text, limit)
    for part, following in pairwise(parts):
        assert bool(part.tail) == bool(following.head)
        if part.tail:
            assert open_fence(part.head + part.body) == following.head
            assert open_fence(part.shown) == ""


@given(st.lists(st.sampled_from(["code ", "x = 1\n"]), min_size=30), LIMITS)
def test_every_message_of_a_code_block_shows_a_whole_code_block(code: list[str], limit: int):
    parts = split("```py\n" + "".join(code) + "\n```\n", limit)
    assert all(open_fence(part.shown) == "" for part in parts)


def test_a_code_fence_goes_on_in_its_language():
    text = "See:\n```python\n" + "print('hello')\n" * 6 + "```\nDone."
    first, second, *_ = split(text, 60)
    assert first.shown.endswith("\n```")
    assert second.head == "```python\n"
    assert all(open_fence(part.shown) == "" for part in split(text, 60))


def test_a_cut_is_made_between_paragraphs_rather_than_lines_and_lines_rather_than_words():
    assert split("one two\n\nthree\nfour five six", 20)[0].body == "one two\n\nthree\n"
    assert split("one two three\n\nfour five six", 20)[0].body == "one two three\n\n"
    assert split("one two three four five six", 20)[0].body == "one two three four "


def test_a_word_longer_than_a_message_is_cut_where_it_must_be():
    assert [part.body for part in split("a" * 45, 20)] == ["a" * 20, "a" * 20, "a" * 5]


def test_a_language_that_fills_a_message_is_not_opened_again():
    text = "```" + "x" * 15 + "\n" + "code " * 10
    assert all(len(part.shown) <= 20 for part in split(text, 20))


@pytest.mark.parametrize(
    ("text", "fence"),
    [
        ("plain", ""),
        ("```py\nx", "```py\n"),
        ("```py\nx\n```", ""),
        ("```\nx\n``` \ny", ""),
        ("````\n```\nx", "````\n"),
        ("```inline```", ""),
        ("  ```js\nx", "```js\n"),
    ],
)
def test_a_fence_is_open_until_a_line_of_as_many_backticks(text: str, fence: str):
    assert open_fence(text) == fence


@given(TEXTS, LIMITS, st.text(max_size=50))
def test_a_part_once_cut_stays_the_same_however_the_text_goes_on(text: str, limit: int, more: str):
    part, left, _ = cut(text, limit)
    if len(left) > 5:
        assert cut(text + more, limit)[0] == part
