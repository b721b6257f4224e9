"""One text a line."""

from collections import Counter
from collections.abc import Iterator

from trainer.readers.data_file import DataFile, lines_of
from trainer.settings import Settings


def looks_like(file: DataFile) -> str:
    """Fewer than 2 % of the lines are blank, and it is not prose wrapped at some width."""
    filled = [line for line in file.lines if line.strip()]
    if len(filled) > 1 and blank_share(file) < 0.02 and not _is_wrapped(filled):
        return "hardly a line is blank or goes on the last"
    return ""


def blank_share(file: DataFile) -> float:
    """How many of the lines are blank, as a share."""
    return sum(not line.strip() for line in file.lines) / max(1, len(file.lines))


def _is_wrapped(lines: list[str]) -> bool:
    """Whether sentences go on from line to line: small letters begin lines of like width."""
    going_on = sum("a" <= line[0] <= "z" for line in lines) / len(lines)
    widths = sorted(map(len, lines))
    return going_on >= 0.2 and widths[len(widths) // 2] > 0.8 * widths[-1 - len(widths) // 20]


def notes(file: DataFile, settings: Settings) -> str:
    """There is nothing to choose."""
    return ""


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield the lines."""
    with file.text() as characters:
        yield from lines_of(characters)
