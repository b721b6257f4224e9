"""A run in one file: a tar in Zstandard whose first member, `manifest.json`, names every file."""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from backends import UserError

MANIFEST = "manifest.json"
FORMAT = 1
MANIFEST_BYTES = 16 * 1024 * 1024
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}
"""Names of files that run code when they are loaded; no run of ours has one."""


@dataclass(frozen=True)
class Entry:
    """What the manifest says of one file: bytes, and the sha256 in hexadecimal."""

    size: int
    sha256: str


def write_manifest(name: str, files: Mapping[str, Entry]) -> bytes:
    """The manifest of a run, as JSON."""
    listed = {path: {"size": file.size, "sha256": file.sha256} for path, file in files.items()}
    return json.dumps({"format": FORMAT, "run": name, "files": listed}, indent=1).encode()


def read_manifest(data: bytes) -> tuple[str, dict[str, Entry]]:
    """The run's name, and its files by path. Raises `UserError` where it is none of ours."""
    try:
        found: Any = json.loads(data)
        if found["format"] != FORMAT:
            raise UserError(f"The packed run has format {found['format']!r}; {FORMAT} is known.")
        files = {
            path: Entry(int(it["size"]), str(it["sha256"])) for path, it in found["files"].items()
        }
        name = str(found["run"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise UserError("The packed run's manifest is damaged.") from exc
    for path, file in files.items():
        check_path(path)
        if file.size < 0:
            raise UserError("The packed run's manifest is damaged.")
    return name, files


def check_path(path: str) -> None:
    """Raise `UserError` where a file's path leads out of the run, or names a pickle."""
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise UserError(f"The packed run is refused: {path!r} is no path inside a run.")
    if PurePosixPath(path).suffix.lower() in PICKLES:
        raise UserError(f"The packed run is refused: {path!r} may be a pickle, which runs code.")


def entry(path: Path) -> Entry:
    """Size and checksum of a file."""
    with path.open("rb") as file:
        return Entry(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def member(path: str, size: int) -> tarfile.TarInfo:
    """A plain file's header; owner, mode and time say nothing."""
    info = tarfile.TarInfo(path)
    info.size = size
    return info
