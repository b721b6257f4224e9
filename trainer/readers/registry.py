"""All readers by the name of their format, and which of them reads a file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from backends import UserError
from trainer.chats import discord_export, irc_log, reddit_dump, slack_export
from trainer.chats.chat_reader import ChatReader
from trainer.readers import (
    csv_rows,
    document,
    jsonl,
    lines,
    long_text,
    marked,
    parquet_rows,
    separated,
)
from trainer.readers.data_file import DataFile
from trainer.settings import Settings


class Reader(Protocol):
    """A module that reads one format; `trainer.readers` says what its functions owe."""

    def looks_like(self, file: DataFile) -> str:
        """Return why the file has this format, or `""`."""
        ...

    def notes(self, file: DataFile, settings: Settings) -> str:
        """Return what to know of how it is read, or `""`."""
        ...

    def read(self, file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
        """Yield one text at a time."""
        ...


LONG, DOCUMENT, SEPARATED = "text", "document", "separated"
"""Formats that others ask for: pieces of a single text, a file as one text, and a separator."""

READERS: Mapping[str, Reader] = {
    "parquet": parquet_rows,
    "slack": ChatReader(slack_export),
    "discord": ChatReader(discord_export),
    "csv": csv_rows,
    "marked": marked,
    "reddit": reddit_dump,
    "jsonl": jsonl,
    "irc": ChatReader(irc_log),
    SEPARATED: separated,
    "lines": lines,
    LONG: long_text,
    DOCUMENT: document,
}
"""The first that a file looks like reads it, so the particular stand before the general."""

CHATS = {"slack", "discord", "irc"}

ONLY_FOR: Mapping[str, set[str]] = {
    "header": {"csv"},
    "column": {"csv", "jsonl", "parquet"},
    "separator": {SEPARATED},
    "person": CHATS,
    "chat": CHATS,
    "gap": CHATS,
    "keep_bots": CHATS,
    "links": CHATS,
    "opt_out": {"slack", "discord"},
    "leave_out": {*CHATS, "reddit"},
    "subreddit": {"reddit"},
    "top": {"reddit"},
    "min_length": {*READERS} - {LONG},
    "max_length": {*READERS} - {LONG},
}
"""Settings that only some formats know."""


def choose(file: DataFile, settings: Settings) -> tuple[str, str]:
    """The format that a file is read as, and why. Raises `UserError` where none is fit."""
    if settings.format != "auto":
        if settings.format not in READERS:
            raise UserError(
                f"There is no format {settings.format!r}: choose from {', '.join(READERS)}."
            )
        return settings.format, "asked for"
    if settings.separator:
        return SEPARATED, "--separator was given"
    for name, reader in READERS.items():
        if reason := reader.looks_like(file):
            return name, reason
    raise UserError(f"{file.path} is binary, not text: give texts, a table or a chat export.")
