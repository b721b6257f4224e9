"""DiscordChatExporter's JSON: one channel, its messages in one array, up to gigabytes."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from trainer.chats.message import Message, elements, word
from trainer.readers.data_file import DataFile
from trainer.readers.jsonl import array_elements

PLATFORM = "discord"
OPENING = re.compile(r'(?<!\\)"messages"\s*:\s*\[')
SAID = {"Default", "Reply", "0", "19", "ChatInputCommand", "20", "ThreadStarterMessage"}
"""Types of messages that somebody wrote; all others are the platform's."""
MENTION = re.compile(r"<@!?(\d{1,20})>")
OTHER = re.compile(r"<#\d{1,20}>|<@&\d{1,20}>")
EMOJI = re.compile(r"<a?(:\w{1,32}:)\d{1,20}>")


def looks_like(file: DataFile) -> str:
    """A JSON object with a guild, a channel and messages."""
    head = file.head.lstrip("\ufeff \t\r\n")
    if head.startswith("{") and '"channel"' in head and '"guild"' in head and OPENING.search(head):
        return "it is DiscordChatExporter's JSON"
    return ""


def messages(file: DataFile, dropped: Counter[str]) -> Iterator[Message]:
    """Yield the messages in the file's order."""
    with file.text() as characters:
        for record in array_elements(characters, file, OPENING, '"messages" array'):
            if isinstance(record, dict) and isinstance(record.get("author"), dict):
                yield _message(record, str(file.path))
            else:
                dropped["that are no messages"] += 1


def _message(record: dict[str, Any], channel: str) -> Message:
    author = record["author"]
    people = [author, *elements(record, "mentions")]
    shown = {word(one, "id"): word(one, "nickname") or word(one, "name") for one in people}
    return Message(
        author=word(author, "id"),
        name=word(author, "nickname") or word(author, "name"),
        text=_text(word(record, "content"), shown),
        channel=channel,
        time=_seconds(word(record, "timestamp")),
        aliases=tuple(
            (word(one, "id"), name)
            for one in people
            for name in (word(one, "name"), word(one, "nickname"))
            if name
        ),
        is_bot=author.get("isBot") is True,
        is_system=word(record, "type") not in SAID,
    )


def _text(content: str, shown: dict[str, str]) -> str:
    """Raw mentions as names: the exporter writes them so only when asked not to format."""
    named = MENTION.sub(lambda found: "@" + (shown.get(found[1]) or "someone"), content)
    return EMOJI.sub(r"\1", OTHER.sub("", named))


def _seconds(stamp: str) -> float | None:
    try:
        moment = datetime.fromisoformat(stamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
