from collections import Counter
from pathlib import Path
from typing import Any

import pytest

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
