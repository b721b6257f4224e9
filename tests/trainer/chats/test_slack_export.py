from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from tests.trainer.chats.exports import slack
from tests.trainer.readers.reading import chosen, read, write
from trainer.chats import slack_export

USERS = [
    {"id": "U1", "name": "ada", "real_name": "Ada Lovelace", "profile": {"display_name": "Ada"}},
    {"id": "U2", "name": "bob", "profile": {"real_name": "Bob B"}},
]


def said(user: str, text: str, ts: str = "1700000000.0001", **more: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": ts} | more


def test_channels_do_not_mix_and_days_follow_each_other(tmp_path: Path):
    path = slack(tmp_path / "a.zip", USERS, {
        "talk/2023-11-15.json": [said("U2", "after midnight", "1700006500.0")],
        "talk/2023-11-14.json": [said("U1", "before", "1700006300.0")],
        "other/2023-11-14.json": [said("U1", "x"), said("U2", "y")],
    })  # fmt: skip
    assert chosen(path) == "slack"
    assert read(path) == ["Ada: x\nBob B: y", "Ada: before\nBob B: after midnight"]


def threaded(user: str, text: str, seconds: int, root: int, **more: Any) -> dict[str, Any]:
    return said(user, text, f"{1700000000 + seconds}.000100") | {
        "thread_ts": f"{1700000000 + root}.000100", **more,
    }  # fmt: skip


def test_a_thread_is_a_conversation_in_its_own_order_over_days_and_silences(tmp_path: Path):
    path = slack(tmp_path / "a.zip", USERS, {
        "talk/2023-11-14.json": [
            threaded("U1", "who has the key?", 0, 0, reply_count=3),
            said("U2", "lunch?", "1700000001.0"),
            threaded("U2", "the cat", 7, 0),
            threaded("U1", "second thread", 3, 3, reply_count=1),
            threaded("U2", "not me", 5, 0),
            said("U1", "yes, lunch", "1700000009.0"),
            threaded("U2", "its answer", 10, 3),
        ],
        "talk/2023-11-16.json": [threaded("U1", "which cat?", 170_000, 0)],
        "other/2023-11-14.json": [threaded("U1", "elsewhere", 0, 0), threaded("U2", "far", 1, 0)],
    })  # fmt: skip
    assert read(path) == [
        "Ada: elsewhere\nBob B: far",
        "Bob B: lunch?\nAda: yes, lunch",
        "Ada: who has the key?\nBob B: not me\nBob B: the cat\nAda: which cat?",
        "Ada: second thread\nBob B: its answer",
    ]


def test_a_reply_that_was_sent_to_the_channel_as_well_is_read_once(tmp_path: Path):
    reply = threaded("U2", "done", 5, 0)
    path = slack(tmp_path / "a.zip", USERS, {"talk/2023-11-14.json": [
        threaded("U1", "is it done?", 0, 0),
        reply,
        reply | {"subtype": "thread_broadcast", "root": {"text": "is it done?"}},
        said("U1", "in the channel", "1700000006.0"), said("U2", "as well", "1700000007.0"),
    ]})  # fmt: skip
    dropped: Counter[str] = Counter()
    assert read(path, dropped) == [
        "Ada: in the channel\nBob B: as well", "Ada: is it done?\nBob B: done"
    ]  # fmt: skip
    assert dropped == {"sent to the channel as well": 1}
    assert read(path, person="bob") == ["as well", "done"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**6)), unique_by=lambda at: at[1]))
def test_each_message_is_read_once_however_threads_lie_in_the_export(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]]
):
    """A message is a place: the number of its thread, 0 for none, and the second of its time."""
    path = slack(tmp_path_factory.mktemp("slack") / "a.zip", USERS, {"talk/2023-11-14.json": [
        threaded("U1", f"{thread} {second:07}", second, thread) if thread else
        said("U1", f"{thread} {second:07}", f"{1700000000 + second}.000100")
        for thread, second in places
    ]})  # fmt: skip
    found = read(path, person="Ada")
    assert sorted(found) == sorted(f"{thread} {second:07}" for thread, second in places)
    for thread in "123":
        own = [text for text in found if text.startswith(thread)]
        assert own == sorted(own)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("ask <@U2> in <#C1|help>", "ask @Bob B in #help"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("see <https://x.org/a|the page>", "see the page https://x.org/a"),
        ("<mailto:a@b.c|a@b.c> <!here>", "mailto:a@b.c @here"),
    ],
)
def test_slacks_marks_become_what_people_see(tmp_path: Path, raw: str, shown: str):
    path = slack(tmp_path / "a.zip", USERS, {"c/2023-11-14.json": [said("U1", raw)]})
    assert read(path, person="ada", links="keep") == [shown]


def test_bots_and_joins_are_left_out(tmp_path: Path):
    path = slack(tmp_path / "a.zip", USERS, {"c/2023-11-14.json": [
        said("U1", "joined", subtype="channel_join"), said("", "ping", bot_id="B1"),
        said("U1", "human"), {"type": "other"}, 7,
    ]})  # fmt: skip
    dropped: Counter[str] = Counter()
    assert read(path, dropped, person="Ada") == ["human"]
    assert dropped == {"system messages": 1, "by bots": 1, "that are no messages": 2}


def test_an_endless_day_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slack_export, "LARGEST", 1000)
    path = slack(tmp_path / "a.zip", USERS, {"c/2023-11-14.json": [said("U1", "a" * 2000)]})
    with pytest.raises(UserError, match="is larger than"):
        read(path)


def test_a_damaged_export_is_refused_with_a_sentence(tmp_path: Path):
    path = slack(tmp_path / "a.zip", USERS, {"c/2023-11-14.json": [said("U1", "a")]})
    write(path, path.read_bytes()[:-30])
    with pytest.raises(UserError, match="cannot be unpacked"):
        read(path, format="slack")
