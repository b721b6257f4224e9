from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backends import UserError
from tests.trainer.chats.exports import ADA, BOB, BOT, discord, said
from trainer import preview
from trainer.chats.message import Message
from trainer.chats.writers import Writers
from trainer.cli import main
from trainer.settings import Settings
from trainer.texts import Texts

CY = {"id": "4", "name": "cy", "nickname": "Cyrus Cole", "isBot": False}


def written(*authors: str) -> Writers:
    return Writers(Message(name, name, "x", "talk", None) for name in authors)


@pytest.mark.parametrize("person", ["Ada", " @ada ", "ADA", "1"])
def test_a_person_is_known_by_every_name_and_by_the_identifier(person: str):
    known = Writers([Message("1", "Ada", "x", "talk", None, aliases=(("2", "Bob"),))])
    assert person in known
    assert "Bob" not in known, "who is only mentioned wrote nothing"


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("Adda", "Did you mean 'Ada'?"),
        ("@COLE", "Did you mean 'Cyrus Cole'?"),
        ("mark", "Did you mean 'Mary' or 'Marc'?"),
        ("zzz", "Most messages are by 'Ada' (2), 'Cyrus Cole' (1), 'Mary' (1), 'Marc' (1)."),
    ],
)
def test_close_names_are_proposed_or_else_those_who_wrote_most(person: str, said: str):
    assert written("Ada", "Cyrus Cole", "Ada", "Mary", "Marc").instead_of(person) == said


def refusal(paths: Sequence[Path], person: str, **more: Any) -> str:
    asked = Settings([str(path) for path in paths], "fresh:tiny", person=person, **more)
    with pytest.raises(UserError) as refused:
        preview.show(Texts.of(asked), lambda _: None)
    return str(refused.value)


@pytest.fixture
def talks(tmp_path: Path) -> list[Path]:
    """Two channels; Cyrus writes in the second only."""
    first = discord(tmp_path / "a.json", said(ADA, "a"), said(BOB, "b"), said(BOT, "beep"))
    return [first, discord(tmp_path / "b.json", said(CY, "c"), said(ADA, "d"))]


def test_who_writes_in_one_of_several_files_only_is_found_there(talks: list[Path]):
    lines: list[str] = []
    asked = Settings([str(path) for path in talks], "fresh:tiny", person="cyrus cole")
    preview.show(Texts.of(asked), lines.append)
    assert lines[-1] == "  | c"


def test_a_name_that_nobody_has_in_any_file_is_told_with_names_of_all_of_them(talks: list[Path]):
    told = refusal(talks, "Syrus Cole")
    assert told == (
        f"There is no message of 'Syrus Cole' to learn from in {talks[0]} and 1 more file "
        "(4 by others, 1 by bots). Did you mean 'Cyrus Cole'?"
    )
    assert "'Ada L' (2)" in refusal(talks, "nobody")


def test_people_who_are_left_out_and_bots_are_not_named(talks: list[Path]):
    told = refusal(talks, "Bpb", leave_out=["Bob"])
    assert "Bob" not in told
    assert "'Ada L' (2), 'Cyrus Cole' (1)." in told
    assert "beep" not in refusal(talks, "beeep")


def test_a_person_whose_messages_are_all_too_short_is_not_said_to_be_nobody(talks: list[Path]):
    told = refusal(talks, "Bob", min_length=5)
    assert told == (
        f"{talks[0]} and 1 more file hold no texts: 3 by others, "
        "1 shorter than 5 characters, 1 by bots."
    )


def test_finetune_leaves_nothing_behind_for_a_name_that_nobody_has(
    talks: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["--model", "fresh:tiny", "--run", "ada", "--runs-dir", str(tmp_path / "runs")]
    assert main(["finetune", *map(str, talks), "--person", "Bobb", *words]) == 1
    assert capsys.readouterr().err.endswith("Did you mean 'Bob'?\n")
    assert list((tmp_path / "runs").iterdir()) == []
