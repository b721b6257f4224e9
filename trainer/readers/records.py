"""Which value of a JSON record is the text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backends import UserError
from trainer.readers.columns import listed, pick

DEEP = 3
"""Levels of nested records whose keys are found without being asked for."""


def key_of(records: Iterable[Any], asked: str) -> str:
    """The key, dotted where records are nested, that holds the text; `""` where texts stand alone.

    Raises `UserError` where no record has the key that was asked for, or none has a text.
    """
    seen = list(records)
    names = _names(seen)
    if asked:
        if any(isinstance(value_at(record, asked), str) for record in seen):
            return asked
        raise UserError(f"There is no text in key {asked!r}: there are {listed(names) or 'none'}.")
    if any(isinstance(record, str) for record in seen):
        return ""
    if not names:
        raise UserError("No record has a text: give --column KEY, or another --format.")
    return names[pick(names, "")]


def names_told(records: Iterable[Any], chosen: str, asked: str) -> str:
    """Say which of several keys is read, and how another is chosen."""
    names = _names(list(records))
    if not chosen or len(names) < 2:
        return ""
    how = "" if asked else " (--column KEY reads another)"
    return f"key {chosen!r}{how}, not {listed([name for name in names if name != chosen])}"


def value_at(record: Any, key: str) -> Any:
    """What a record holds at a dotted key, or itself at `""`; `None` where there is nothing."""
    if not key:
        return record
    if isinstance(record, Mapping) and key in record:
        return record[key]
    for name in key.split("."):
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def _names(records: Sequence[Any]) -> list[str]:
    """Dotted keys that hold a text in some record, the outer first."""
    found: dict[str, int] = {}
    for record in records:
        for name, depth in _keys(record, 1):
            found.setdefault(name, depth)
    return sorted(found, key=found.__getitem__)


def _keys(record: Any, depth: int) -> Iterable[tuple[str, int]]:
    if not isinstance(record, Mapping):
        return
    for name, value in record.items():
        if isinstance(value, str):
            yield name, depth
        elif depth < DEEP:
            yield from ((f"{name}.{inner}", level) for inner, level in _keys(value, depth + 1))
