"""Slack's export: a zip of `users.json` and a file for each channel and day.

The format: https://slack.com/help/articles/220556107. Nothing is extracted to the disk.
"""

import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any

from backends import UserError
from trainer.chats.message import Message, word
from trainer.readers.data_file import DataFile

PLATFORM = "slack"
DAY = re.compile(r"(?:^|.*/)([^/]+)/\d{4}-\d\d-\d\d\.json")
USERS = ("users.json", "org_users.json")
LARGEST = 1 << 25
"""Bytes of the largest file in the zip that is read: one channel's day, or all users."""
SAID = {"", "me_message", "thread_broadcast", "file_share", "bot_message"}
"""Subtypes of messages that somebody wrote; all others are the platform's."""
MARK = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")


def looks_like(file: DataFile) -> str:
    """A zip in which a channel has a day."""
    if not file.start.startswith(b"PK\3\4") or file.compression:
        return ""
    try:
        with _opened(file) as archive:
            return "it is a zip of channels and days" if _days(archive) else ""
    except UserError:
        return ""


def messages(file: DataFile, dropped: Counter[str]) -> Iterator[Message]:
    """Yield the messages, a channel after the other: the first day first, then its threads."""
    if file.compression or not file.path.is_file():
        raise UserError(f"{file.path} is no zip: give Slack's export as it was downloaded.")
    with _opened(file) as archive:
        days = _days(archive)
        if not days:
            raise UserError(f"{file.path} holds no CHANNEL/DATE.json: it is no export of Slack's.")
        people = _people(archive, file)
        for channel, of_channel in groupby(days, key=itemgetter(0)):
            records = (record for _, name in of_channel for record in _list(archive, name, file))
            yield from _unthreaded(_said(records, channel, people, dropped), dropped)


def _said(
    records: Iterable[Any], channel: str, people: dict[str, dict[str, Any]], dropped: Counter[str]
) -> Iterator[Message]:
    for record in records:
        if isinstance(record, dict) and word(record, "type") == "message":
            yield _message(record, channel, people)
        else:
            dropped["that are no messages"] += 1


def _unthreaded(messages: Iterable[Message], dropped: Counter[str]) -> Iterator[Message]:
    """Yield a channel's messages and then, which are kept until then, those of each thread.

    A thread's replies lie among other messages, on days of their own. One that was sent to the
    channel as well may stand in the export twice, with the time that identifies it.
    """
    threads: dict[str, dict[float, Message]] = {}
    for message in messages:
        if not message.thread or message.time is None:
            yield message
            continue
        thread = threads.setdefault(message.thread, {})
        if thread.setdefault(message.time, message) is not message:
            dropped["sent to the channel as well"] += 1
    for thread in threads.values():
        yield from (thread[time] for time in sorted(thread))


@contextmanager
def _opened(file: DataFile) -> Iterator[zipfile.ZipFile]:
    """Open the zip; what is found wrong with it becomes a sentence."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
            ValueError, KeyError) as exc:  # fmt: skip
        raise UserError(
            f"{file.path} cannot be unpacked ({str(exc)[:200]}): it is damaged, cut off or no "
            "zip. Download it again."
        ) from exc


def _days(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Channels and names of their files, in order."""
    found = ((DAY.fullmatch(name), name) for name in archive.namelist())
    return sorted((match[1], name) for match, name in found if match)


def _list(archive: zipfile.ZipFile, name: str, file: DataFile) -> list[Any]:
    with archive.open(name) as member:
        data = member.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UserError(f"{name} in {file.path} is larger than {LARGEST >> 20} MiB: take it out.")
    try:
        value = json.loads(data)
    except ValueError as exc:
        raise UserError(f"{name} in {file.path} is no JSON: download the export again.") from exc
    return value if isinstance(value, list) else []


def _people(archive: zipfile.ZipFile, file: DataFile) -> dict[str, dict[str, Any]]:
    there = archive.namelist()
    users = next((_list(archive, name, file) for name in USERS if name in there), [])
    return {word(user, "id"): user for user in users if isinstance(user, dict)}


def _names(user: dict[str, Any]) -> list[str]:
    """A user's names, the one that is shown first."""
    profile = user.get("profile")
    names = [
        word(profile, "display_name"),
        word(user, "real_name"),
        word(profile, "real_name"),
        word(user, "name"),
    ]
    return [name for name in dict.fromkeys(names) if name]


def _message(record: dict[str, Any], channel: str, people: dict[str, dict[str, Any]]) -> Message:
    author = word(record, "user") or word(record, "bot_id")
    user = people.get(author, {})
    text = word(record, "text")
    mentioned = [author, *(found[1][1:] for found in MARK.finditer(text) if found[1][:1] == "@")]
    names = _names(user) or [word(record, "username") or author]
    return Message(
        author=author,
        name=names[0],
        text=_text(text, people),
        channel=channel,
        time=_seconds(word(record, "ts")),
        aliases=tuple((one, name) for one in mentioned for name in _names(people.get(one, {}))),
        is_bot=bool(record.get("bot_id")) or user.get("is_bot") is True,
        is_system=word(record, "subtype") not in SAID,
        thread=word(record, "thread_ts"),
    )


def _text(text: str, people: dict[str, dict[str, Any]]) -> str:
    """Slack's marks as people see them: https://docs.slack.dev/messaging/formatting-message-text."""

    def shown(found: re.Match[str]) -> str:
        target, label = found[1], found[2] or ""
        if target.startswith("@"):
            return "@" + next(iter(_names(people.get(target[1:], {}))), label or "someone")
        if target.startswith("#"):
            return "#" + label if label else ""
        if target.startswith("!"):
            return label or "@" + target[1:].partition("^")[0]
        # A link keeps what it says and where it leads, unless it says just that.
        return target if not label or label in target else f"{label} {target}"

    shown_text = MARK.sub(shown, text)
    return shown_text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _seconds(stamp: str) -> float | None:
    try:
        return float(stamp)
    except ValueError:
        return None
