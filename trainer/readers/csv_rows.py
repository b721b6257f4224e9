"""Tables with commas, tabs, semicolons or bars between their cells: one column, a text a row."""

import csv
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from backends import UserError
from trainer.readers.columns import USUAL, choice_told, pick
from trainer.readers.data_file import DataFile, lines_of
from trainer.settings import Settings

NAMES = {".csv": "", ".tsv": "\t", ".tab": "\t"}
"""Suffixes of tables, and the delimiter where the suffix says so."""
DELIMITERS = ",\t;|"
EVEN = 0.9
"""The share of rows that must have the same number of cells."""
SEEN = 200
"""Lines of the head that are parsed."""
LONGEST_ROW = 1 << 22
"""Characters of a row with line breaks in its cells."""
HEADER_SHAPE = re.compile(r"[\w.-]+( [\w.-]+)?")
NUMBER = re.compile(r"-?\d+([.,]\d+)*")


@dataclass(frozen=True)
class Table:
    """How a table is written."""

    delimiter: str
    quotes: bool
    """Whether cells may stand in quotes; in tables with tabs those are mostly part of the text."""
    header: bool
    names: list[str]
    """Of the columns; their numbers where there is no header."""

    @property
    def single(self) -> bool:
        """Whether there is one column, so that delimiters outside of quotes are part of a text."""
        return len(self.names) == 1


def looks_like(file: DataFile) -> str:
    """It is named so."""
    return f"named {file.suffix}" if file.head and file.suffix in NAMES else ""


def notes(file: DataFile, settings: Settings) -> str:
    """Say which delimiter, header and column were found."""
    table = _table(file, settings)
    chosen = pick(table.names, settings.column)
    parts = [
        "" if table.delimiter == "," else f"delimiter {table.delimiter!r}",
        f"header {'left out' if table.header else 'none'}",
        choice_told(table.names, chosen, settings.column),
    ]
    return ", ".join(filter(None, parts))


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield one cell of every row after the header."""
    table = _table(file, settings)
    column, header = pick(table.names, settings.column), table.header
    # The csv module wants to see line ends as they are.
    with file.text(newline="") as characters:
        lines = _Lines(lines_of(characters))
        rows = _reader(lines, table.delimiter, quotes=table.quotes)
        try:
            for row in rows:
                lines.characters = 0
                if header and any(row):
                    header = False
                elif row and len(row) <= column:
                    dropped["without the column"] += 1
                else:
                    cell = table.delimiter.join(row if table.single else row[column : column + 1])
                    yield cell.replace("\r\n", "\n").replace("\r", "\n")
        except csv.Error as exc:
            raise UserError(
                f"{file.path}, line {rows.line_num}: {exc}. Is a quote left open? "
                "With --format lines every line is one text."
            ) from exc


class _Lines(Iterator[str]):
    """Lines for the csv module; a row of endless lines is refused before it fills the memory."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.characters = 0

    def __next__(self) -> str:
        line = next(self._lines)
        self.characters += len(line)
        if self.characters > LONGEST_ROW:
            raise csv.Error(f"a row is longer than {LONGEST_ROW:,} characters")
        return line


def _table(file: DataFile, settings: Settings) -> Table:
    lines = file.head.splitlines(keepends=True)
    lines = lines[: min(SEEN, len(lines) if file.whole else max(1, len(lines) - 1))]
    delimiter = NAMES.get(file.suffix) or _delimiter(lines)
    quotes = delimiter != "\t" or "".join(lines[:1]).startswith('"') or '""' in "".join(lines)
    rows = _rows(lines, delimiter, quotes=quotes)
    header = _is_header(rows) if settings.header is None else settings.header
    names = [str(number + 1) for number in range(_shape(rows[:-1] or rows)[0])]
    if header and rows:
        names = [cell.strip() or str(number + 1) for number, cell in enumerate(rows[0])]
    return Table(delimiter, quotes, header, names)


def _shape(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The number of cells that most rows have, and the share of rows that have it.

    Where those are not nearly all it is 1: texts hold commas, too.
    """
    widths = Counter(map(len, rows))
    width, often = widths.most_common(1)[0] if widths else (1, 0)
    share = often / max(1, widths.total())
    return (width, share) if width > 1 and share >= EVEN else (1, 0.0)


def _reader(lines: Iterable[str], delimiter: str, *, quotes: bool):
    return csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    )


def _rows(lines: Iterable[str], delimiter: str, *, quotes: bool = True) -> list[list[str]]:
    """The rows of some lines that are not blank; the last, which may be cut off, too."""
    try:
        return [row for row in _reader(lines, delimiter, quotes=quotes) if any(row)]
    except csv.Error as exc:
        raise UserError(f"This is no table ({exc}): use --format lines or --format text.") from exc


def _delimiter(lines: Sequence[str]) -> str:
    """The character that cuts nearly every row into the same number of cells; else a comma."""
    shares = {mark: _shape(_rows(lines, mark))[1] for mark in DELIMITERS}
    return max(shares, key=shares.__getitem__)


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns.

    Every cell of it is one or two plain words; and one of them is a usual name, or stands above
    numbers, or the only one is far shorter than the cells below it.
    """
    if len(rows) < 2 or not all(HEADER_SHAPE.fullmatch(cell.strip()) for cell in rows[0]):
        return False
    if any(cell.strip().lower() in USUAL for cell in rows[0]):
        return True
    if len(rows[0]) == 1:
        return 3 * len(rows[0][0]) < statistics.median(len(row[0]) for row in rows[1:])
    return any(
        not NUMBER.fullmatch(name) and all(NUMBER.fullmatch(cell) for cell in cells)
        for name, *cells in zip(*rows, strict=False)
    )
