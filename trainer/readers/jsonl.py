"""JSON records, one a line or in one long array: a text each, under some key or alone."""

import json
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, TextIO

from backends import UserError
from trainer.readers.data_file import LONGEST_LINE, DataFile, lines_of
from trainer.readers.records import key_of, names_told, value_at
from trainer.settings import Settings

SEEN = 100
"""Records that are looked at to find the key."""
NAMES = {".jsonl", ".ndjson", ".json"}
PIECE = 1 << 16
LONGEST_OPENING = 64
"""Characters of what an array begins with."""
BETWEEN = re.compile(r"[ \t\r\n,]*")
BAD = "that are no JSON"


def looks_like(file: DataFile) -> str:
    """It is named so, or its first lines are JSON objects."""
    if file.head and file.suffix in NAMES:
        return f"named {file.suffix}"
    lines = [line for line in file.lines if line.strip()][:3]
    if lines and all(line.lstrip().startswith("{") for line in lines) and parse(lines[0]):
        return "its lines are JSON records"
    return ""


def notes(file: DataFile, settings: Settings) -> str:
    """Say which key was found."""
    seen = _first(file)
    return names_told(seen, key_of(seen, settings.column), settings.column)


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield one text a record."""
    key = key_of(_first(file), settings.column)
    for record in records(file, dropped):
        text = value_at(record, key)
        if isinstance(text, str):
            yield text
        else:
            dropped[f"without a text in {key!r}" if key else "that are no text"] += 1


def _first(file: DataFile) -> list[Any]:
    return list(islice(records(file, Counter()), SEEN))


def records(file: DataFile, dropped: Counter[str]) -> Iterator[Any]:
    """All records. Lines that are no JSON are counted; raises `UserError` where all are."""
    with file.text() as characters:
        if file.head.lstrip("\ufeff \t\r\n").startswith("["):
            yield from _of_array(characters, file)
        else:
            yield from _of_lines(lines_of(characters), file, dropped)


def _of_lines(lines: Iterable[str], file: DataFile, dropped: Counter[str]) -> Iterator[Any]:
    good = 0
    for line in lines:
        if not line.strip():
            continue
        record = parse(line)
        if record is None:
            dropped[BAD] += 1
            if not good and dropped[BAD] >= SEEN:
                break
        else:
            good += 1
            yield record
    if not good:
        raise UserError(
            f"{file.path} has no JSON record a line: use --format text, or write it as JSON lines."
        )


def parse(line: str) -> Any:
    """The record of a line, or `None`. Too deep nesting and too long numbers are no records."""
    with suppress(ValueError, RecursionError):
        return json.loads(line.strip("\ufeff"))
    return None


def _of_array(characters: TextIO, file: DataFile) -> Iterator[Any]:
    """The elements of a file that is one array."""
    rest = yield from array_elements(characters, file, re.compile(r"\["), "array")
    if rest.strip() or characters.read(PIECE).strip():
        raise UserError(f"{file.path} goes on behind its array: write it as JSON lines.")


def array_elements(
    characters: TextIO, file: DataFile, opening: re.Pattern[str], what: str
) -> Generator[Any, None, str]:
    """The elements of the array that `opening` begins, read piece by piece; then what follows it.

    Raises `UserError` where there is no array, or it is damaged or cut off.
    """
    decode = json.JSONDecoder().raw_decode
    buffer = characters.read(PIECE)
    while not (begun := opening.search(buffer)):
        if not (piece := characters.read(PIECE)):
            raise UserError(f"{file.path} has no {what}: give another --format.")
        buffer = buffer[-LONGEST_OPENING:] + piece
    place = begun.end()
    while True:
        place = _past_space(buffer, place)
        if buffer.startswith("]", place):
            return buffer[place + 1 :]
        try:
            record, end = decode(buffer, place)
        except ValueError:
            record, end = None, len(buffer)
        # At the end of the buffer a number may go on: an element is whole where something follows.
        if end < len(buffer):
            yield record
            place = end
            continue
        buffer, place = buffer[place:], 0
        if len(buffer) > LONGEST_LINE:
            raise UserError(
                f"{file.path} has an element of more than {LONGEST_LINE:,} characters, or one that "
                "is no JSON: write it as JSON lines."
            )
        if not (piece := characters.read(PIECE)):
            raise UserError(f"{file.path} ends inside its {what}: it is cut off or damaged.")
        buffer += piece


def _past_space(text: str, place: int) -> int:
    """The next place where neither space nor a comma stands."""
    match = BETWEEN.match(text, place)
    return match.end() if match else place
