"""Parquet tables: one column of strings, a text a row, read a batch at a time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backends import UserError
from trainer.readers.columns import choice_told, pick
from trainer.readers.data_file import DataFile
from trainer.settings import Settings

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

MAGIC = b"PAR1"
ROWS = 1024
"""Rows that are read at once."""
METADATA = 1 << 26
"""Bytes, and elements, that a file's description of itself may claim."""


def looks_like(file: DataFile) -> str:
    """Parquet's first bytes."""
    return "its first bytes say so" if file.start.startswith(MAGIC) else ""


def notes(file: DataFile, settings: Settings) -> str:
    """Say which column was found."""
    with _opened(file) as table:
        names = _strings(table, file)
        return choice_told(names, pick(names, settings.column), settings.column)


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield the column's strings."""
    with _opened(file) as table:
        names = _strings(table, file)
        column = names[pick(names, settings.column)]
        for batch in table.iter_batches(ROWS, columns=[column], use_threads=False):
            for text in batch.column(0).to_pylist():
                if isinstance(text, str):
                    yield text
                else:
                    dropped["without a text"] += 1


@contextmanager
def _opened(file: DataFile) -> "Iterator[ParquetFile]":
    """Open a table; what pyarrow finds wrong with it becomes a sentence."""
    if file.compression:
        raise UserError(f"{file.path} is a compressed parquet file: unpack it first.")
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(
            file.path,
            thrift_string_size_limit=METADATA,
            thrift_container_size_limit=METADATA,
            pre_buffer=False,
        ) as table:
            yield table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as exc:
        reason = str(exc).strip().partition("\n")[0][:200]
        raise UserError(f"{file.path} is a damaged parquet file ({reason}).") from exc


def _strings(table: "ParquetFile", file: DataFile) -> list[str]:
    """The columns that hold strings. Raises `UserError` where there is none."""
    import pyarrow as pa

    names = [
        field.name
        for field in table.schema_arrow
        if pa.types.is_string(field.type)
        or pa.types.is_large_string(field.type)
        or (pa.types.is_dictionary(field.type) and pa.types.is_string(field.type.value_type))
    ]
    if not names:
        raise UserError(f"{file.path} has no column of strings: there is no text to learn.")
    return names
