"""Server-sent events: bytes in, the data of each event out.

The format is the WHATWG's (HTML Living Standard, "Interpreting an event stream"). Only `data`
counts here; `event`, `id` and `retry` are for browsers.
"""

import codecs
import re
from collections.abc import Iterator

MAX_EVENT = 256 * 1024
"""The most bytes of one event: far more than a token with its log-probabilities takes."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLargeError(Exception):
    """An event has more bytes than `MAX_EVENT`."""


class EventStream:
    """A parser that is fed bytes as they come; where they were cut makes no difference."""

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[str] = []
        self._size = 0
        self._first = True

    def feed(self, received: bytes) -> Iterator[str]:
        """Yield the data of every event that is whole now.

        Raises `EventTooLargeError`.
        """
        self._buffer += received
        while (line := self._next_line()) is not None:
            self._size += len(line)
            self._check(self._size)
            if line:
                self._take(line)
                continue
            if self._data:
                yield "\n".join(self._data)
            self._data, self._size = [], 0
        self._check(self._size + len(self._buffer))

    def _next_line(self) -> bytes | None:
        """Cut a line off the buffer; a CR at the buffer's end may still be half of a CRLF."""
        end = _LINE_END.search(self._buffer)
        if end is None or (end[0] == b"\r" and end.end() == len(self._buffer)):
            return None
        line, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
        if self._first:
            line, self._first = line.removeprefix(codecs.BOM_UTF8), False
        return line

    def _take(self, line: bytes) -> None:
        """Keep a `data` field's value; a line that begins with a colon is a comment."""
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode(errors="replace"))

    def _check(self, size: int) -> None:
        if size > MAX_EVENT:
            raise EventTooLargeError
