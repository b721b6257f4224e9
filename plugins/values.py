"""From what a user typed to a checked value, and back to something to read."""

import re
from collections.abc import Callable

from backends import UserError, Value
from plugins.vocabulary import Kind, Option, Setting

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_ESCAPE = re.compile(r"\\[nt\\]")
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}
_SHOWN = 60
"""The most characters of a wrong value that a sentence repeats."""


def parse_value(option: Option, raw: object, *, typed: bool = True) -> Value:
    r"""Check a raw value against an option's type, bounds and choices.

    A text setting that was `typed` into a chat, where a line break is hard to enter, may say `\n`
    for one, `\t` for a tab and `\\` for a backslash. Free text and files are taken as they are.

    Raises `UserError` with a sentence such as `temperature must be a number between 0 and 5, not
    "hot".`
    """
    value = _PARSERS[option.kind](raw)
    if typed and isinstance(option, Setting) and isinstance(value, str):
        value = _unescape(value)
    if value is None or not _fits(option, value):
        raise UserError(f"{option.name} must be {expectation(option)}, not {_quoted(raw)}.")
    return value


def show_value(value: Value) -> str:
    """A value to be read: as it is typed, and text in quotes."""
    return f'"{type_value(value)}"' if isinstance(value, str) else type_value(value)


def type_value(value: Value) -> str:
    r"""A value as an admin would type it: a line break in text is `\n`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    return _number_shown(value)


def expectation(option: Option) -> str:
    """What an option takes, to be read after "must be": `a number between 0 and 5`."""
    if option.choices:
        return "one of " + ", ".join(option.choices)
    if option.kind == "boolean":
        return "true or false"
    if option.kind == "text":
        most = option.maximum
        return "text" if most is None else f"text of at most {_number_shown(most)} characters"
    noun = "a whole number" if option.kind == "integer" else "a number"
    low, high = option.minimum, option.maximum
    if low is not None and high is not None:
        return f"{noun} between {_number_shown(low)} and {_number_shown(high)}"
    if low is not None:
        return f"{noun} of at least {_number_shown(low)}"
    return noun if high is None else f"{noun} of at most {_number_shown(high)}"


def _number_shown(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"


def _fits(option: Option, value: Value) -> bool:
    if option.choices and value not in option.choices:
        return False
    if isinstance(value, bool):
        return True
    measure = len(value) if isinstance(value, str) else value
    low = option.minimum if option.minimum is not None else float("-inf")
    high = option.maximum if option.maximum is not None else float("inf")
    return low <= measure <= high


def _text(raw: object) -> str | None:
    # Half of a character, which JSON can send, can neither be stored nor written.
    return raw.encode(errors="replace").decode() if isinstance(raw, str) else None


def _number(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        number = float(raw)
    except (ValueError, OverflowError):
        return None
    # A number that is none compares false with every bound, so it must not get that far.
    return number if abs(number) < float("inf") else None


def _integer(raw: object) -> int | None:
    number = _number(raw)
    return int(number) if number is not None and number == int(number) else None


def _boolean(raw: object) -> bool | None:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


_PARSERS: dict[Kind, Callable[[object], Value | None]] = {
    "text": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
}


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def _quoted(raw: object) -> str:
    if isinstance(raw, int | float):
        return type_value(raw)
    text = str(raw)
    return f'"{text[:_SHOWN]}…"' if len(text) > _SHOWN else f'"{text}"'
