"""Slack's markup: what is sent is seen as it is, what people typed is read as they typed it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack_app.markup import after_mention, from_slack, length, to_slack


@given(st.text())
def test_any_text_survives_the_way_to_slack_and_back(text: str):
    assert from_slack(to_slack(text)) == text


@given(st.text())
def test_what_is_sent_holds_no_control_character(text: str):
    assert "<" not in to_slack(text)
    assert ">" not in to_slack(text)


@given(st.text(), st.text())
def test_a_text_is_never_shorter_than_its_beginning(beginning: str, rest: str):
    assert length(beginning) <= length(beginning + rest)


def test_escapes_and_surrogate_pairs_count_in_full():
    assert length("a<b") == len("a&lt;b")
    assert length("🦉") == 2


@pytest.mark.parametrize(
    ("raw", "typed"),
    [
        ("ask <@U123|ada> or <@U123>", "ask @ada or @U123"),
        ("in <#C123|general>", "in #general"),
        ("<!here> and <!subteam^S1|@team>", "@here and @team"),
        ("<https://example.com/a?b=c&amp;d|example.com> <https://x.example>",
         "example.com https://x.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2, &amp;lt;", "1 < 2 && 3 > 2, &lt;"),
        ("a <b> c", "a <b> c"),
    ],
)  # fmt: skip
def test_what_slack_hands_over_is_read_as_people_typed_it(raw: str, typed: str):
    assert from_slack(raw) == typed


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<@U0BOT> Once upon", "Once upon"),
        ("<@U0BOT|chinwag>: Once upon", "Once upon"),
        ("hey <@U0BOT> Once  upon ", "Once  upon"),
        ("Once upon, <@U0BOT>", "Once upon,"),
        ("<@U0BOT>", ""),
        ("<@U0OTHER> said", "<@U0OTHER> said"),
    ],
)
def test_the_text_for_the_bot_is_what_follows_its_mention_or_else_comes_before(raw: str, text: str):
    assert after_mention(raw, "U0BOT") == text
