"""Slack's export: a zip of `users.json` and a file for each channel and day.

The format: https://slack.com/help/articles/220556107. Nothing is extracted to the disk.
"""

import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
    """Yield the messages, a channel after the other and of each the first day first."""
    if file.compression or not file.path.is_file():
        raise UserError(f"{file.path} is no zip: give Slack's export as it was downloaded.")
    with _opened(file) as archive:
        days = _days(archive)
        if not days:
            raise UserError(f"{file.path} holds no CHANNEL/DATE.json: it is no export of Slack's.")
        people = _people(archive, file)
        for channel, name in days:
            for record in _list(archive, name, file):
                if isinstance(record, dict) and word(record, "type") == "message":
                    yield _message(record, channel, people)
                else:
                    dropped["that are no messages"] += 1


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
