"""Server-sent events: bytes in, the data of each event out.

The format is the WHATWG's (HTML Living Standard, "Interpreting an event stream"). Only `data`
counts here; `event`, `id` and `retry` are for browsers.
"""

import codecs
from collections.abc import Iterator

MAX_EVENT = 256 * 1024
"""The most bytes of one event: far more than a token with its log-probabilities takes."""

_LINE_ENDS = (b"\n", b"\r")


class EventTooLargeError(Exception):
    """An event has more bytes than `MAX_EVENT`."""


class EventStream:
    """A parser that is fed bytes as they come; where they were cut makes no difference."""

    def __init__(self) -> None:
        self._begun = False
        self._line = b""
        self._after_return = False
        self._data: list[str] = []
        self._size = 0

    def feed(self, received: bytes) -> Iterator[str]:
        """Yield the data of every event that is whole now.

        Raises `EventTooLargeError`.
        """
        for line in self._lines(received):
            self._size += len(line)
            self._check(self._size)
            if line:
                self._take(line)
                continue
            if self._data:
                yield "\n".join(self._data)
            self._data, self._size = [], 0
        self._check(self._size + len(self._line))

    def _lines(self, received: bytes) -> Iterator[bytes]:
        """Yield the lines that are whole now, without their ends: CR, LF or both."""
        if not received:
            return
        # A CR ended its line at once; the LF of a CRLF that was cut in two ends no other.
        rest = received.removeprefix(b"\n") if self._after_return else received
        self._after_return = received.endswith(b"\r")
        lines = (self._line + rest).splitlines(keepends=True)
        self._line = lines.pop() if lines and not lines[-1].endswith(_LINE_ENDS) else b""
        for line in lines:
            yield (line if self._begun else line.removeprefix(codecs.BOM_UTF8)).rstrip(b"\r\n")
            self._begun = True

    def _take(self, line: bytes) -> None:
        """Keep a `data` field's value; a line that begins with a colon is a comment."""
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode(errors="replace"))

    def _check(self, size: int) -> None:
        if size > MAX_EVENT:
            raise EventTooLargeError
