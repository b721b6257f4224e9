from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backends import UserError
from tests.trainer.chats.exports import ADA, BOB, BOT, discord, said
from tests.trainer.readers.reading import chosen, read, write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "name", "author", "content", "mentions", "timestamp", "type"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


def test_an_export_is_known_and_becomes_conversations_with_names(tmp_path: Path):
    path = discord(tmp_path / "a.json", said(ADA, "Tea?"), said(BOB, "Yes,\nplease.", 1))
    assert chosen(path) == "discord"
    assert read(path) == ["Ada L: Tea?\nBob: Yes, please."]


def test_silence_begins_another_conversation_and_a_line_alone_is_none(tmp_path: Path):
    path = discord(
        tmp_path / "a.json", said(ADA, "1"), said(BOB, "2", 1), said(ADA, "3", 20),
        said(BOB, "4", 21), said(ADA, "5", 50),
    )  # fmt: skip
    dropped: Counter[str] = Counter()
    assert read(path, dropped, gap=10) == ["Ada L: 1\nBob: 2", "Ada L: 3\nBob: 4"]
    assert dropped == {"lines alone": 1}


def test_bots_and_system_messages_are_left_out_and_counted(tmp_path: Path):
    joined = said(ADA, "Joined the server.", type="GuildMemberJoin")
    path = discord(tmp_path / "a.json", joined, said(BOT, "beep"), said(ADA, "a"), said(BOB, "b"))
    dropped: Counter[str] = Counter()
    assert read(path, dropped) == ["Ada L: a\nBob: b"]
    assert dropped == {"system messages": 1, "by bots": 1}
    assert read(path, keep_bots=True) == ["beep: beep\nAda L: a\nBob: b"]


def test_raw_mentions_become_names(tmp_path: Path):
    path = discord(tmp_path / "a.json", said(ADA, "hi <@!2> and <@5>", mentions=[BOB]))
    assert read(path, person="ada") == ["hi @Bob and @someone"]


def test_a_link_goes_with_the_brackets_around_it(tmp_path: Path):
    path = discord(tmp_path / "a.json", said(ADA, "see <https://x.org/a> there"))
    assert read(path, person="ada") == ["see there"]


def test_odd_entries_among_messages_are_counted(tmp_path: Path):
    path = discord(tmp_path / "a.json", 5, {"author": "x"}, None, said(ADA, "whole"))
    dropped: Counter[str] = Counter()
    assert read(path, dropped, person="Ada L") == ["whole"]
    assert dropped == {"that are no messages": 3}


def test_a_cut_off_export_is_refused_with_a_sentence(tmp_path: Path):
    path = discord(tmp_path / "a.json", said(ADA, "a"), said(BOB, "b"))
    write(path, path.read_bytes()[:-200])
    with pytest.raises(UserError, match="cut off or damaged"):
        read(path)


@hypothesis_settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(JSON, max_size=5))
def test_whatever_stands_in_place_of_messages_gives_texts(tmp_path: Path, records: list[object]):
    path = discord(tmp_path / "a.json", *records, said(ADA, "end"))
    assert "end" in read(path, person="1", leave_out=["2"])
