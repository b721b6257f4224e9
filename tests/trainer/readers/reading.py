"""Read a file that a test has written."""

from collections import Counter
from pathlib import Path
from typing import Any

from trainer.readers import registry
from trainer.readers.data_file import look
from trainer.settings import Settings


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def settings(path: Path, **more: Any) -> Settings:
    return Settings(data=str(path), model="fresh:tiny", **more)


def chosen(path: Path, **more: Any) -> str:
    """The format that a file is taken for."""
    asked = settings(path, **more)
    return registry.choose(look(path, asked.encoding), asked)[0]


def read(path: Path, dropped: Counter[str] | None = None, **more: Any) -> list[str]:
    """What the reader of a file makes of it."""
    asked = settings(path, **more)
    file = look(path, asked.encoding)
    reader = registry.READERS[registry.choose(file, asked)[0]]
    with file.sentences():
        return list(reader.read(file, asked, Counter() if dropped is None else dropped))


def notes(path: Path, **more: Any) -> str:
    """What is said of how a file is read."""
    asked = settings(path, **more)
    file = look(path, asked.encoding)
    return registry.READERS[registry.choose(file, asked)[0]].notes(file, asked)
