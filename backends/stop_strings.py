"""End a streamed text before a stop string, wherever the borders between its pieces fall."""

from collections.abc import Sequence


class StopStrings:
    """The watch over one text.

    The text ends before the stop string that is complete first; of several that are complete with
    the same character, before the longest. So the result does not depend on how the text was cut
    into pieces. Only what could still become a stop string is held back.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """Return what may be shown after this piece; sets `stopped` at a stop string."""
        self._held += text
        ends = [
            (start + len(stop), start)
            for stop in self._stop
            if (start := self._held.find(stop)) >= 0
        ]
        if ends:
            self.stopped = True
            return self._release(min(ends)[1], keep="")
        border = len(self._held) - self._longest_beginning()
        return self._release(border, keep=self._held[border:])

    def flush(self) -> str:
        """Return what was held back: the text ended by itself."""
        return self._release(len(self._held), keep="")

    def _release(self, border: int, keep: str) -> str:
        shown, self._held = self._held[:border], keep
        return shown

    def _longest_beginning(self) -> int:
        """Return the length of the longest end of the held text that begins a stop string."""
        longest = max((len(stop) for stop in self._stop), default=0)
        for length in range(min(len(self._held), longest - 1), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stop):
                return length
        return 0
