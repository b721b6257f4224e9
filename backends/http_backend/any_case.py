"""Stop strings in upper or lower case: how a banned word is kept out of a text."""

from collections.abc import Sequence

from backends.stop_strings import StopStrings


class AnyCase:
    """`StopStrings` for which "Word" and "WORD" are the same."""

    def __init__(self, words: Sequence[str]) -> None:
        self._watch = StopStrings([_lower(word) for word in words])
        self._held = ""

    @property
    def stopped(self) -> bool:
        """Whether one of the words came."""
        return self._watch.stopped

    def feed(self, text: str) -> str:
        """Return what may be shown after this piece."""
        self._held += text
        return self._release(self._watch.feed(_lower(text)))

    def flush(self) -> str:
        """Return what was held back: the text ended by itself."""
        return self._release(self._watch.flush())

    def _release(self, lowered: str) -> str:
        shown, self._held = self._held[: len(lowered)], self._held[len(lowered) :]
        return shown


def _lower(text: str) -> str:
    """Lower each character that stays one, so that places in the text stay what they are."""
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)
