"""A file that somebody gave as data: its beginning, its encoding, and how to open it."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from backends import UserError
from trainer.readers.compressed import SUFFIXES, compression_of, open_bytes
from trainer.readers.encodings import decoded, encoding_of, is_binary

HEAD = 1 << 18
"""Bytes looked at."""
LONGEST_LINE = 1 << 20
"""Characters of the longest line that is taken for one text or one record."""


@dataclass(frozen=True)
class DataFile:
    """A file, or a folder as some chats are exported; what `look` found of it."""

    path: Path
    start: bytes = b""
    """The first `HEAD` bytes, unpacked."""
    head: str = ""
    """The same decoded; empty where the file is binary."""
    whole: bool = True
    """Whether `start` is all there is."""
    encoding: str = ""
    """Empty where the file is binary."""
    how: str = ""
    """How the encoding was told, unless it is UTF-8."""
    compression: str = ""

    @property
    def suffix(self) -> str:
        """The end of the name in small letters, such as `.csv`, also of `a.csv.gz`."""
        *before, last = ["", *(suffix.lower() for suffix in self.path.suffixes)]
        return before[-1] if last in SUFFIXES and before else last

    @property
    def lines(self) -> list[str]:
        """The whole lines of the head."""
        lines = self.head.splitlines()
        return lines if self.whole or len(lines) < 2 else lines[:-1]

    def open(self) -> BinaryIO:
        """The bytes, unpacked."""
        return open_bytes(self.path, self.compression)

    def text(self, newline: str | None = None) -> TextIO:
        """The characters; `newline` is `open`'s. Raises `UserError` for a binary file."""
        if not self.encoding:
            raise UserError(f"{self.path} is binary, not text.")
        return io.TextIOWrapper(self.open(), encoding=self.encoding, newline=newline)

    @contextmanager
    def sentences(self) -> Iterator[None]:
        """Turn what goes wrong while the file is read into `UserError`s."""
        try:
            yield
        except UnicodeError as exc:
            raise UserError(
                f"{self.path} is not {self.encoding} text further on ({exc}): say which encoding "
                "it has, such as --encoding cp1252."
            ) from exc
        except RecursionError as exc:
            raise UserError(f"{self.path} is nested too deeply to be read.") from exc
        except MemoryError as exc:
            raise UserError(f"{self.path} asks for more memory than there is.") from exc
        except OSError as exc:
            raise UserError(f"{self.path} cannot be read: {exc.strerror or exc}.") from exc


def look(path: Path, encoding: str = "auto") -> DataFile:
    """Look at the beginning of a file, or at a folder.

    Raises `UserError` where it cannot be read, is empty, or is text of an encoding that must be
    named. A binary file has no `head`; readers may know it by its `start`.
    """
    with DataFile(path).sentences():
        if path.is_dir():
            return DataFile(path)
        if not path.is_file() and path.exists():
            raise UserError(f"{path} is neither a file nor a folder.")
        compression = compression_of(path)
        with open_bytes(path, compression) as file:
            start = file.read(HEAD)
            whole = not file.read(1)
    if not start.strip():
        raise UserError(f"{path} is empty or begins with blank space only: nothing to learn.")
    encoding, how = _encoding(path, start, encoding, whole=whole)
    head = (decoded(start, encoding, whole=whole) if encoding else "") or ""
    if encoding and not head.strip("\ufeff \t\r\n\f\v"):
        raise UserError(f"{path} is empty or begins with blank space only: nothing to learn.")
    return DataFile(path, start, head, whole, encoding, how, compression)


def _encoding(path: Path, start: bytes, asked: str, *, whole: bool) -> tuple[str, str]:
    """The encoding asked for, or as it seems; `""` for a binary file."""
    found, how = encoding_of(start, whole=whole)
    # A mark counts for more than what was asked for: it would be read as a character else.
    if asked == "auto" or "mark" in how:
        if not found and not is_binary(start):
            raise UserError(
                f"{path} is not utf-8 text, and which encoding it has is not clear: say so, "
                "such as --encoding cp1252 or --encoding shift_jis."
            )
        return found, how
    try:
        codecs.lookup(asked)
        text = decoded(start, asked, whole=whole)
    except (LookupError, ValueError) as exc:
        raise UserError(f"Python knows no encoding {asked!r}: try utf-8 or cp1252.") from exc
    if text is not None and ("\0" not in text or found):
        return asked, "asked for"
    if is_binary(start) and not found:
        return "", ""
    raise UserError(f"{path} is not {asked} text: leave --encoding out, or name the right one.")


def lines_of(file: TextIO) -> Iterator[str]:
    """Lines, with a limit so that a file without line ends is never read whole into memory."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise UserError(
                f"A line is longer than {LONGEST_LINE:,} characters: that is hardly one text. "
                "Use --format text for long text."
            )
        yield line
