"""Find out what a file of texts is: long text, one text a line, or a CSV; or refuse it."""

import codecs
import csv
import re
import statistics
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backends import UserError

HEAD = 1 << 18
"""Bytes looked at."""
HEADER_NAMES = {
    "body", "comment", "comments", "content", "line", "lines", "message", "messages", "post",
    "quote", "sentence", "text", "texts", "title", "titles", "tweet", "tweets",
}  # fmt: skip
HEADER_SHAPE = re.compile(r"[\w.-]+( [\w.-]+)?")


class Kind(StrEnum):
    """The shapes of a file."""

    TEXT = "text"
    LINES = "lines"
    CSV = "csv"


@dataclass(frozen=True)
class Layout:
    """How to read a file, and why it was taken for that."""

    kind: Kind
    encoding: str
    header: bool = False
    columns: int = 1
    reason: str = ""


def sniff(
    path: Path, kind: str = "auto", encoding: str = "utf-8", header: bool | None = None
) -> Layout:
    """Look at the head of a file; raises `UserError` where it holds no text.

    A `.csv` is a CSV. Any other file is one text a line where fewer than 2 % of its lines are
    blank and it is not prose wrapped at some width; else it is long text.
    """
    encoding, head = _head(path, encoding)
    if kind == "csv" or (kind == "auto" and path.suffix.lower() == ".csv"):
        return _csv_layout(head, encoding, header, "asked for" if kind == "csv" else "named .csv")
    if kind != "auto":
        return Layout(Kind(kind), encoding, reason="asked for")
    lines = head.splitlines()
    if len(lines) > 1 and len(head) >= HEAD // 4:
        lines.pop()  # the head may end inside a line
    filled = [line for line in lines if line.strip()]
    blank = 1 - len(filled) / len(lines)
    if len(filled) > 1 and blank < 0.02 and not _is_wrapped(filled):
        return Layout(Kind.LINES, encoding, reason="hardly a line is blank or goes on the last")
    reason = f"{blank:.0%} of its lines are blank" if blank >= 0.02 else "its lines go on the last"
    return Layout(Kind.TEXT, encoding, reason=reason)


def _is_wrapped(lines: list[str]) -> bool:
    """Whether sentences go on from line to line: small letters begin lines of like width."""
    going_on = sum("a" <= line[0] <= "z" for line in lines) / len(lines)
    widths = sorted(map(len, lines))
    return going_on >= 0.2 and widths[len(widths) // 2] > 0.8 * widths[-1 - len(widths) // 20]


def _head(path: Path, encoding: str) -> tuple[str, str]:
    """The encoding without its byte-order mark, and the beginning of the file decoded."""
    try:
        codecs.lookup(encoding)
        with path.open("rb") as file:
            data = file.read(HEAD)
            whole = not file.read(1)
    except LookupError as exc:
        raise UserError(f"Python knows no encoding {encoding!r}: try utf-8 or cp1252.") from exc
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc.strerror}.") from exc
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    elif _is_binary(data) and "16" not in encoding and "32" not in encoding:
        raise UserError(f"{path} is binary, not text: give a .txt or .csv file.")
    try:
        head = codecs.getincrementaldecoder(encoding)().decode(data, final=whole)
    except UnicodeDecodeError as exc:
        raise UserError(
            f"{path} is not {encoding} text (byte {data[exc.start]:#04x} at {exc.start}): say "
            "which encoding it has, such as --encoding cp1252."
        ) from exc
    if not head.strip():
        raise UserError(
            f"{path} is empty or begins with blank space only: there is nothing to learn."
        )
    return encoding, head


def _is_binary(data: bytes) -> bool:
    """Whether there is a NUL, or one byte in a hundred is a control character that text lacks."""
    odd = len(data) - len(data.translate(None, bytes([*range(1, 9), *range(14, 27), 127])))
    return b"\0" in data or 100 * odd > len(data)


def _csv_layout(head: str, encoding: str, header: bool | None, reason: str) -> Layout:
    try:
        rows = [row for row in csv.reader(head.splitlines(keepends=True)[:200]) if any(row)]
    except csv.Error as exc:
        raise UserError(f"This is no CSV ({exc}): use --format lines or --format text.") from exc
    columns = max(map(len, rows), default=1)
    if header is None:
        header = _is_header([row[0] for row in rows])
    return Layout(Kind.CSV, encoding, header, columns, reason)


def _is_header(cells: list[str]) -> bool:
    """Whether the first cell names the column.

    It does where it is one or two plain words and is either a usual name, or far shorter than the
    cells below it.
    """
    if len(cells) < 2 or not HEADER_SHAPE.fullmatch(cells[0].strip()):
        return False
    usual = statistics.median(len(cell) for cell in cells[1:])
    return cells[0].strip().lower() in HEADER_NAMES or 3 * len(cells[0]) < usual
