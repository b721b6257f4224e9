import json
from collections import Counter
from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.chats.exports import ADA, BOB, discord, said
from tests.trainer.readers.reading import read, write


@pytest.mark.parametrize("who", ["Ada L", "ada", "@ADA", "1"])
def test_whoever_is_left_out_vanishes_under_every_name_also_where_others_name_them(
    tmp_path: Path, who: str
):
    path = discord(
        tmp_path / "a.json", said(BOB, "is @Ada L here, or ada? Adamant."), said(ADA, "here"),
        said(BOB, "ADA!"),
    )  # fmt: skip
    dropped: Counter[str] = Counter()
    assert read(path, dropped, leave_out=[who]) == [
        "Bob: is someone here, or someone? Adamant.\nBob: someone!"
    ]
    assert dropped == {"by people left out": 1}


def test_who_opted_out_is_known_by_platform_and_id(tmp_path: Path):
    entries = [("discord", "1"), ("slack", "2")]
    listed = "".join(
        json.dumps({"platform": platform, "user": user, "name": "x"}) + "\n"
        for platform, user in entries
    )
    path = discord(tmp_path / "a.json", said(ADA, "a"), said(BOB, "b"), said(BOB, "hi Ada L"))
    asked = str(write(tmp_path / "out.jsonl", listed))
    assert read(path, opt_out=asked) == ["Bob: b\nBob: hi someone"]


@pytest.mark.parametrize("line", ["no json", "[]", '{"platform": "discord"}', "[" * 99999])
def test_a_damaged_opt_out_list_is_refused_rather_than_read_in_part(tmp_path: Path, line: str):
    path = discord(tmp_path / "a.json", said(ADA, "a"), said(BOB, "b"))
    with pytest.raises(UserError, match="line 1 is no entry"):
        read(path, opt_out=str(write(tmp_path / "out", line)))


def test_an_opt_out_list_that_is_not_there_is_told(tmp_path: Path):
    path = discord(tmp_path / "a.json", said(ADA, "a"), said(BOB, "b"))
    with pytest.raises(UserError, match=r"opt-out list .* cannot be read"):
        read(path, opt_out=str(tmp_path / "nowhere"))
