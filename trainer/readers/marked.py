"""gpt-2-simple's form: each text between `<|startoftext|>` and `<|endoftext|>`.

gpt-2-simple learned the markers as ordinary words. Here they are borders between texts, where the
model's real end token comes to stand.
"""

import re
from collections import Counter
from collections.abc import Iterator

from trainer.readers.data_file import DataFile
from trainer.readers.splitting import split
from trainer.settings import Settings

MARKER = re.compile(r"<\|(?:startoftext|endoftext)\|>")


def looks_like(file: DataFile) -> str:
    """It begins with a marker, or one stands at the end of two lines."""
    if MARKER.match(file.head.lstrip("\ufeff \n")) or file.head.count("<|endoftext|>\n") > 1:
        return "it has gpt-2-simple's markers"
    return ""


def notes(file: DataFile, settings: Settings) -> str:
    """Say what becomes of the markers."""
    return "markers become the model's end token"


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield what stands between markers."""
    with file.text() as characters:
        yield from (text for text in split(characters, MARKER) if text.strip())
