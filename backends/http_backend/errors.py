"""What can go wrong with a server, as half a sentence: who shows it knows the rest."""

from dataclasses import dataclass

LATER = "Try again in a moment."
OPERATOR = "Whoever runs the bot can mend it."


@dataclass
class ServerError(Exception):
    """A server did not do what it was asked."""

    what: str
    """What "The server …" did, such as "cannot be reached". Safe to log: none of its own words."""
    advice: str = LATER
    """What to do, as a sentence."""
    said: str = ""
    """The server's own words, shortened and without the key; they may quote the prompt."""
    again: bool = False
    """Whether the same request may well succeed elsewhere or later."""
    elsewhere: bool = False
    """Whether another server may well take it, and this one never will."""
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    healthy: bool = False
    """Whether the server is well: it refuses this request, not all."""

    def __str__(self) -> str:
        quoted = f': "{self.said}".' if self.said else "."
        return f"{self.what}{quoted} {self.advice}"
