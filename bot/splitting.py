"""Cut a long text into messages: between words, with code fences closed and opened again."""

import re
from collections.abc import Callable
from dataclasses import dataclass

Measure = Callable[[str], int]
"""How a platform counts a text; never shorter than a beginning of the same text."""

_FENCE_LINE = re.compile(r"^ {0,3}(`{3,})([^`\n]*)$", re.MULTILINE)
_FENCE_BEGINS = re.compile(r" {0,3}`{1,}[^`]*\Z")
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"\s"))
"""Where to cut, the best first: between paragraphs, lines, words."""

_WORTHWHILE = (0.5, 0.25, 0.0)
"""The share of a message that each kind of break must leave filled."""


@dataclass(frozen=True, slots=True)
class Part:
    """One message's share of a text. The bodies of all parts, joined, are the text."""

    body: str
    head: str = ""
    """Opens again the code fence that the part before had to close."""
    tail: str = ""
    """Closes a code fence that goes on in the next part."""

    @property
    def shown(self) -> str:
        """What the message says."""
        return self.head + self.body + self.tail


def split(text: str, limit: int, length: Measure = len) -> list[Part]:
    """Cut a text into parts of at most `limit`, in order; an empty text has none."""
    parts: list[Part] = []
    head = ""
    while text:
        part, text, head = cut(text, limit, length, head)
        parts.append(part)
    return parts


def cut(text: str, limit: int, length: Measure = len, head: str = "") -> tuple[Part, str, str]:
    """Take the first part off a text: the part, what is left, and the head of the next part.

    The last part is the whole text, a fence left open as its writer left it. Cutting looks at
    the beginning only, so a part stays the same however the text goes on.
    """
    if len(text) <= limit and length(head + text) <= limit:
        return Part(text, head), "", ""
    # No character counts less than one, so no more of a long text need be looked at.
    window = text[: limit + 1]
    room = _fitting(window, limit, length, head)
    while room > 0:
        at = _boundary(text, room)
        fence = open_fence(head + text[:at])
        part = Part(text[:at], head, _closing(text[:at], fence))
        excess = length(part.shown) - limit
        if excess <= 0 and 2 * length(fence + part.tail) <= limit:
            return part, text[at:], fence
        room = min(room, at) - max(excess, 1) if excess > 0 else 0
    # No room to mend such a fence: the text goes on as it is.
    at = _boundary(text, _fitting(window, limit, length, head))
    return Part(text[:at], head), text[at:], ""


def open_fence(text: str) -> str:
    """The line, with its line break, that opens the code fence in which a text ends; or ""."""
    marker = line = ""
    for found in _FENCE_LINE.finditer(text):
        if not marker:
            marker, line = found[1], f"{found[1]}{found[2].rstrip()}\n"
        elif len(found[1]) >= len(marker) and not found[2].strip():
            marker = line = ""
    return line


def _closing(body: str, fence: str) -> str:
    if not fence:
        return ""
    marker = fence[: len(fence) - len(fence.lstrip("`"))]
    return marker if body.endswith("\n") else f"\n{marker}"


def _fitting(text: str, limit: int, length: Measure, head: str) -> int:
    """How many characters of a text fit behind the head, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if length(head + text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _boundary(text: str, room: int) -> int:
    """Where to cut so that at most `room` characters come before: behind white space if it can."""
    window = text[:room]
    for pattern, share in zip(_BREAKS, _WORTHWHILE, strict=True):
        ends = [found.end() for found in pattern.finditer(window)]
        if ends and ends[-1] > share * room and text[: ends[-1]].strip():
            return _before_fence_line(text, ends[-1])
    return room


def _before_fence_line(text: str, at: int) -> int:
    """Move a cut that would go through the line that opens or closes a fence before that line."""
    start = text.rfind("\n", 0, at) + 1
    return start if start and _FENCE_BEGINS.fullmatch(text[start:at]) else at
