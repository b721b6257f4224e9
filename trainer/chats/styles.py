"""What texts become of messages: one person's, or conversations with the speakers' names."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from trainer.chats.message import Message, plain
from trainer.chats.people import LeftOut
from trainer.settings import Settings

LINKS = re.compile(
    r"<(?:https?://|www\.)[^\s<>]*>|\b(?:https?://|www\.)[^\s<>]*[^\s<>.,;:!?)\]'\"]", re.IGNORECASE
)
"""Also in the angle brackets with which Discord shows a link without a preview."""
GAP = 30.0
"""Minutes of silence that end a conversation, unless `--gap` says otherwise."""
MOST_LINES = 40
"""Lines of a conversation, after which another begins."""
MOST_CHARACTERS = 1 << 16


def texts(
    messages: Iterable[Message], left_out: LeftOut, settings: Settings, dropped: Counter[str]
) -> Iterator[str]:
    """Yield texts in the style asked for; counts in `dropped` what is left out and why."""
    kept = of_people(messages, left_out, settings, dropped)
    if settings.person:
        yield from _of_person(kept, settings.person, dropped)
    else:
        yield from _conversations(kept, 60 * (settings.gap or GAP), dropped)


def of_people(
    messages: Iterable[Message], left_out: LeftOut, settings: Settings, dropped: Counter[str]
) -> Iterator[tuple[Message, str]]:
    """Messages of people, each with its text as it is to be learned."""
    for message in messages:
        if message.is_system:
            dropped["system messages"] += 1
        elif message in left_out:
            dropped["by people left out"] += 1
        elif message.is_bot and not settings.keep_bots:
            dropped["by bots"] += 1
        elif text := left_out.hidden(_links(message.text, settings.links or "drop")).strip():
            yield message, text
        else:
            dropped["without words"] += 1


def _links(text: str, what: str) -> str:
    """The text with links as they are, replaced by a word, or without them."""
    if what == "keep":
        return text
    return re.sub(r" {2,}", " ", LINKS.sub("(link)" if what == "word" else "", text))


def _of_person(
    messages: Iterable[tuple[Message, str]], person: str, dropped: Counter[str]
) -> Iterator[str]:
    asked = plain(person)
    for message, text in messages:
        if asked in message.names:
            yield text
        else:
            dropped["by others"] += 1


def _conversations(
    messages: Iterable[tuple[Message, str]], gap: float, dropped: Counter[str]
) -> Iterator[str]:
    """Stretches of `name: text` lines; `gap` are the seconds of silence between two of them."""
    lines: list[str] = []
    before: Message | None = None
    for message, text in messages:
        full = len(lines) >= MOST_LINES or sum(map(len, lines)) >= MOST_CHARACTERS
        if before and (full or _is_apart(before, message, gap)):
            yield from _whole(lines, dropped)
            lines = []
        name = " ".join(message.name.split()) or "someone"
        lines.append(f"{name}: {' '.join(text.split())}")
        before = message
    yield from _whole(lines, dropped)


def _is_apart(before: Message, message: Message, gap: float) -> bool:
    if (before.channel, before.thread) != (message.channel, message.thread):
        return True
    # In a thread people answer when they have read it, be it the next day.
    if message.thread or before.time is None or message.time is None:
        return False
    return message.time - before.time > gap


def _whole(lines: list[str], dropped: Counter[str]) -> Iterator[str]:
    """A conversation, if it is one: a line that nobody answers is none."""
    if len(lines) > 1:
        yield "\n".join(lines)
    elif lines:
        dropped["lines alone"] += 1
