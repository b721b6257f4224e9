"""Which column of a table, or which key of a record, holds the texts."""

from collections.abc import Sequence

from backends import UserError

USUAL = (
    "text", "texts", "title", "titles", "body", "content", "message", "messages", "comment",
    "comments", "post", "quote", "sentence", "tweet", "tweets", "line", "lines", "lyrics", "story",
)  # fmt: skip
"""Names of columns that hold texts, the most telling first."""
SHOWN = 12
"""Names of columns that are listed."""


def pick(names: Sequence[str], asked: str, what: str = "column") -> int:
    """The index of the column asked for by name or, from 1, by number; else of a usual name.

    Where nothing is asked for and no name is usual it is the first. Raises `UserError` where there
    is no such column.
    """
    small = [name.strip().lower() for name in names]
    if not asked:
        return next((small.index(name) for name in USUAL if name in small), 0)
    if asked in names:
        return names.index(asked)
    if asked.strip().lower() in small:
        return small.index(asked.strip().lower())
    if asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= len(names):
        return int(asked) - 1
    raise UserError(f"There is no {what} {asked!r}: there are {listed(names)}.")


def listed(names: Sequence[str]) -> str:
    """The names for a sentence; of very many the first."""
    shown = ", ".join(name[:40] for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN:,} more"


def choice_told(names: Sequence[str], chosen: int, asked: str) -> str:
    """Say which of several columns is read, and how another is chosen."""
    if len(names) < 2:
        return ""
    others = [name for index, name in enumerate(names) if index != chosen]
    how = "" if asked else " (--column NAME reads another)"
    return f"column {names[chosen][:40]!r}{how}, not {listed(others)}"
