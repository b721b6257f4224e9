"""IRC logs as clients write them: irssi, WeeChat, HexChat and those with `[12:34] <name> text`."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from trainer.chats.message import Message
from trainer.readers.data_file import DataFile, lines_of

PLATFORM = "irc"
STAMP = r"\[?(?:(?P<date>\d{4}-\d\d-\d\d)[T ])?(?P<h>\d\d):(?P<m>\d\d)(?::(?P<s>\d\d))?\]?"
SAID = re.compile(STAMP + r"[ \t]+<[ @+%&~]?(?P<name>[^\s<>]{1,64})>[ \t]?(?P<text>.*)")
WEECHAT = re.compile(STAMP + r"\t[@+%&~]?(?P<name>[\w\[\]{}\\|^`-]{1,64})\t(?P<text>.*)")
ACTION = re.compile(STAMP + r"[ \t]+\*[ \t]+(?P<name>[^\s<>*]{1,64})[ \t]+(?P<text>.*)")
SYSTEM = re.compile(rf"(?:{STAMP}[ \t]*)?(?:===|---|-!-|-->|<--|--|\*\*\*)(?:\s.*)?")
MARKS = re.compile(r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|[\x02\x0f\x11\x16\x1d\x1e\x1f]")
"""Colours and bold: https://modern.ircdocs.horse/formatting."""
DAY = 86_400


def looks_like(file: DataFile) -> str:
    """Three lines at least are somebody's, and four of five are a log's."""
    lines = [line for line in file.lines if line.strip()]
    said = sum(_said(line) is not None for line in lines)
    known = said + sum(SYSTEM.fullmatch(line) is not None for line in lines)
    return "its lines are an IRC log's" if said >= 3 and known >= 0.8 * len(lines) else ""


def messages(file: DataFile, dropped: Counter[str]) -> Iterator[Message]:
    """Yield what was said; what joins and leaves is a system message."""
    channel, clock = str(file.path), _Clock()
    with file.text() as characters:
        for raw in lines_of(characters):
            line = MARKS.sub("", raw.strip("\ufeff\n"))
            if found := _said(line):
                name = found["name"]
                action = "* " if found.re is ACTION else ""
                yield Message(name, name, action + found["text"], channel, clock.time(found))
            elif SYSTEM.fullmatch(line):
                yield Message("", "", line, channel, None, is_system=True)
            elif line.strip():
                dropped["lines not in a log's form"] += 1


def _said(line: str) -> re.Match[str] | None:
    return SAID.fullmatch(line) or ACTION.fullmatch(line) or WEECHAT.fullmatch(line)


class _Clock:
    """Seconds of lines that may know the hour but not the day."""

    def __init__(self) -> None:
        self._days = 0
        self._last = 0

    def time(self, found: re.Match[str]) -> float | None:
        """The seconds of a line; midnight has passed where the hours fall back by half a day."""
        seconds = 3600 * int(found["h"]) + 60 * int(found["m"]) + int(found["s"] or 0)
        if found["date"]:
            try:
                return DAY * datetime.fromisoformat(found["date"]).toordinal() + seconds
            except ValueError:
                return None
        self._days += seconds < self._last - DAY // 2
        self._last = seconds
        return self._days * DAY + seconds
