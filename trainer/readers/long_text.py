"""Long text, such as a book or a play, in stretches that joined are the text."""

from collections import Counter
from collections.abc import Iterator

from trainer.readers.data_file import DataFile
from trainer.readers.lines import blank_share
from trainer.settings import Settings

STRETCH = 4096
"""Characters of long text that stay together when it is split."""


def looks_like(file: DataFile) -> str:
    """Anything that can be read as text."""
    if not file.head:
        return ""
    blank = blank_share(file)
    return f"{blank:.0%} of its lines are blank" if blank >= 0.02 else "its lines go on the last"


def notes(file: DataFile, settings: Settings) -> str:
    """There is nothing to choose."""
    return ""


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield stretches of whole lines, or where a line is long, of characters."""
    stretch, length = [], 0
    with file.text() as characters:
        while piece := characters.readline(STRETCH):
            stretch.append(piece)
            length += len(piece)
            if length >= STRETCH:
                yield "".join(stretch)
                stretch, length = [], 0
    if stretch:
        yield "".join(stretch)
