"""Split text of any length by a pattern, holding little of it at a time."""

import re
from collections.abc import Iterator
from typing import TextIO

from backends import UserError

PIECE = 1 << 16
"""Characters read at once."""
LONGEST = 1 << 20
"""Characters of the longest text between two separators."""


def split(characters: TextIO, pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield what stands between matches, empty texts too.

    A pattern must match the same whether or not more follows, but for repeats of a separator.
    Raises `UserError` where there is no match in `LONGEST` characters.
    """
    rest = ""
    while piece := characters.read(PIECE):
        *texts, rest = pattern.split(rest + piece)
        yield from texts
        if len(rest) > LONGEST:
            raise UserError(
                f"A text is longer than {LONGEST:,} characters: is that how texts are separated? "
                "Use --separator, or --format text for long text."
            )
    # The last line may lack its end.
    yield from pattern.split(rest + "\n")
