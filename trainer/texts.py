"""Read texts from a file piece by piece: long text, one text a line, or a single-column CSV."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from backends import UserError
from trainer.sniff import Kind, Layout

LONGEST_LINE = 1 << 20
"""Characters of the longest line that is taken for one text or one row."""
STRETCH = 4096
"""Characters of long text that stay together when it is split."""


@dataclass
class Texts:
    """The texts of a file, and after reading them what was dropped and why."""

    path: Path
    layout: Layout
    dropped: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[str]:
        """Yield one text at a time; of long text a stretch of lines.

        Raises `UserError` where the file is not what its layout says.
        """
        self.dropped.clear()
        kind = self.layout.kind
        # The csv module wants to see line ends as they are.
        newline = "" if kind is Kind.CSV else None
        try:
            with self.path.open(encoding=self.layout.encoding, newline=newline) as file:
                if kind is Kind.TEXT:
                    yield from _stretches(file)
                else:
                    yield from self._kept(self._cells(file) if kind is Kind.CSV else _lines(file))
        except UnicodeDecodeError as exc:
            raise UserError(
                f"{self.path} is not {self.layout.encoding} text (byte {exc.object[exc.start]:#04x}"
                " does not belong there): say which encoding it has, such as --encoding cp1252."
            ) from exc

    def _kept(self, texts: Iterator[str]) -> Iterator[str]:
        """Strip each text and leave out empty ones."""
        for text in texts:
            if stripped := text.strip():
                yield stripped
            else:
                self.dropped["blank"] += 1

    def _cells(self, file: TextIO) -> Iterator[str]:
        """The first cell of every row after the header."""
        rows = csv.reader(_lines(file))
        header = self.layout.header
        try:
            for row in rows:
                if header and any(row):
                    header = False
                    continue
                cell = row[0] if row else ""
                yield cell.replace("\r\n", "\n").replace("\r", "\n")
        except csv.Error as exc:
            raise UserError(
                f"{self.path}, line {rows.line_num}: {exc}. Is a quote left open? "
                "With --format lines every line is one text."
            ) from exc


def _stretches(file: TextIO) -> Iterator[str]:
    """Cut long text into stretches of whole lines, or where a line is long, of characters."""
    stretch, length = [], 0
    while piece := file.readline(STRETCH):
        stretch.append(piece)
        length += len(piece)
        if length >= STRETCH:
            yield "".join(stretch)
            stretch, length = [], 0
    if stretch:
        yield "".join(stretch)


def _lines(file: TextIO) -> Iterator[str]:
    """Lines, with a limit so that a file without line ends is never read whole into memory."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise UserError(
                f"A line is longer than {LONGEST_LINE:,} characters: that is hardly one text. "
                "Use --format text for long text."
            )
        yield line
