"""Texts with something between them: fortune's `%` lines, blank lines, or any string."""

import re
from collections import Counter
from collections.abc import Iterator

from backends import UserError
from trainer.readers.data_file import DataFile
from trainer.readers.splitting import split
from trainer.settings import Settings

PERCENT = re.compile(r"^%[ \t]*\n", re.MULTILINE)
BLANK = re.compile(r"\n(?:[ \t]*\n)+")
NAMES = {"", ".txt", ".dat", ".fortune", ".fortunes"}
"""Suffixes of files in which lines of `%` separate texts; in others they may be comments."""
LEAST = 3
"""So many `%` lines are no accident."""


def looks_like(file: DataFile) -> str:
    """There are lines of nothing but `%`."""
    if file.suffix not in NAMES or len(PERCENT.findall(file.head)) < LEAST:
        return ""
    return "it has lines of % alone"


def notes(file: DataFile, settings: Settings) -> str:
    """Say what separates the texts."""
    if settings.separator:
        return f"texts separated by {settings.separator!r}"
    return f"texts separated by {'lines of %' if looks_like(file) else 'blank lines'}"


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield what stands between the separators; nothing at all there is no text."""
    if settings.separator:
        pattern = re.compile(re.escape(unescaped(settings.separator)))
        if not pattern.search(file.head):
            raise UserError(
                f"{file.path} has no {settings.separator!r} in its first {len(file.head):,} "
                "characters: give another --separator."
            )
    else:
        pattern = PERCENT if looks_like(file) else BLANK
    with file.text() as characters:
        yield from (text for text in split(characters, pattern) if text.strip())


def unescaped(separator: str) -> str:
    r"""The separator with line ends and tabs for `\n` and `\t`, which shells make hard to type."""
    return separator.replace("\\n", "\n").replace("\\t", "\t")
