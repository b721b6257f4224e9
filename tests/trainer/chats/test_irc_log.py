from collections import Counter
from pathlib import Path

import pytest

from tests.trainer.readers.reading import chosen, read, write

LOG = """\
[23:58] <ada> does it compile?
=== bob [~bob@example.org] has joined #talk
[23:59] * bob waves
[00:01] <bob> it does, see http://example.org/log.
"""


def test_actions_are_said_joins_are_not_and_midnight_is_no_silence(tmp_path: Path):
    path, dropped = write(tmp_path / "a.txt", LOG), Counter[str]()
    assert chosen(path) == "irc"
    assert read(path, dropped) == ["ada: does it compile?\nbob: * waves\nbob: it does, see ."]
    assert dropped == {"system messages": 1}


@pytest.mark.parametrize(
    "line",
    [
        "12:34 <@ada> hello",
        "12:34 < ada> hello",
        "[12:34:56] <ada> hello",
        "2024-01-02 12:34:56 <ada> hello",
        "2024-01-02 12:34:56\t@ada\thello",
    ],
)
def test_the_usual_clients_lines_are_read(tmp_path: Path, line: str):
    path = write(tmp_path / "a.log", f"{line}\n" * 3)
    assert chosen(path) == "irc"
    assert read(path, person="ADA") == ["hello"] * 3


def test_a_play_is_no_log(tmp_path: Path):
    assert chosen(write(tmp_path / "a.txt", "ROMEO:\nHe jests at scars.\n\n" * 9)) != "irc"


@pytest.mark.parametrize(
    ("links", "left"), [("drop", "see ."), ("keep", "see http://a.org/b."), ("word", "see (link).")]
)
def test_links_become_what_was_asked_for(tmp_path: Path, links: str, left: str):
    path = write(tmp_path / "a.txt", "[10:00] <ada> see http://a.org/b.\n" * 3)
    assert read(path, person="ada", links=links) == [left] * 3
