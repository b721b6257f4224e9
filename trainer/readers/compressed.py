"""Read gzip, bzip2, xz and Zstandard files as if they were not compressed."""

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from backends import UserError

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
"""What files begin with, whatever they are named."""
SUFFIXES = {".gz", ".bz2", ".xz", ".zst"}
FREE = 1 << 26
"""Bytes that come out of any file before anybody asks whether it is a bomb."""
MOST_RATIO = 250
"""Bytes that may come out for each that goes in. Prose has 3, logs may have 50."""
WINDOW = 1 << 31
"""The largest Zstandard window, in bytes: Reddit's dumps were made with it."""


def compression_of(path: Path) -> str:
    """How a file is compressed, by its first bytes; `""` where it is not."""
    with path.open("rb") as file:
        start = file.read(8)
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), "")


def open_bytes(path: Path, compression: str) -> BinaryIO:
    """Open a file for reading, unpacked if it is compressed."""
    if not compression:
        return path.open("rb")
    return io.BufferedReader(Unpacked(path, compression), 1 << 16)


class Unpacked(io.RawIOBase):
    """The bytes of a compressed file.

    Reading raises `UserError` where the file is damaged, cut off or a bomb.
    """

    def __init__(self, path: Path, compression: str) -> None:
        super().__init__()
        self._path = path
        self._packed = path.open("rb")
        self._stream = _decompressing(self._packed, compression)
        self._given = 0

    def readable(self) -> bool:
        """It can be read, and no more."""
        return True

    def readinto(self, buffer) -> int:
        """Fill a buffer; gives how many bytes there were."""
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error, lzma.LZMAError, *_zstandard_errors()) as exc:
            raise UserError(
                f"{self._path} cannot be unpacked ({exc}): it is damaged or cut off. Fetch it "
                "again, or unpack it yourself."
            ) from exc
        self._given += len(data)
        if self._given > max(FREE, MOST_RATIO * self._packed.tell()):
            raise UserError(
                f"{self._path} grows more than {MOST_RATIO} times when it is unpacked, which no "
                "text does: unpack it yourself if you trust it."
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._packed.close()
        super().close()


def _decompressing(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gzip":
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if compression == "bzip2":
        return cast("BinaryIO", bz2.BZ2File(file))
    if compression == "xz":
        return cast("BinaryIO", lzma.LZMAFile(file))
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW)
    return cast("BinaryIO", unpacker.stream_reader(file, read_across_frames=True))


def _zstandard_errors() -> tuple[type[Exception], ...]:
    import zstandard

    return (zstandard.ZstdError,)
