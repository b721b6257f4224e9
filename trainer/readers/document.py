"""A file of a folder, such as a program or a page: one text, or a few where it is long."""

from collections import Counter
from collections.abc import Iterator

from trainer.readers import long_text
from trainer.readers.data_file import DataFile
from trainer.settings import Settings

LONGEST = 1 << 16
"""Characters after which a document goes on as another: many times what a model sees at once."""


def looks_like(file: DataFile) -> str:
    """Nothing by itself: files of folders are taken for documents where they are plain text."""
    return ""


def notes(file: DataFile, settings: Settings) -> str:
    """There is nothing to choose."""
    return ""


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield the file, cut between lines where it is longer than `LONGEST`."""
    parts, length = [], 0
    for stretch in long_text.read(file, settings, dropped):
        if length + len(stretch) > LONGEST:
            yield "".join(parts)
            parts, length = [], 0
        parts.append(stretch)
        length += len(stretch)
    yield "".join(parts)
