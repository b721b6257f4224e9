"""`python -m trainer unpack`: make a run of the file that `pack` wrote, which nobody need trust."""

import argparse
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Self

from backends import UserError
from backends.durable import durable_directory
from backends.model_directory import check_name
from trainer.locks import run_lock
from trainer.packed import MANIFEST, MANIFEST_BYTES, Entry, read_manifest
from trainer.remote import download, is_url
from trainer.runs import RUNS_DIR, Run

BLOCK = 1024 * 1024
WINDOW = 128 * 1024 * 1024
"""The most memory, in bytes, that a packed file may ask of the decompressor."""

HEADER_BYTES = 64 * 1024
"""The longest extended header that is read; `tarfile` reads each whole into memory."""


class ShortHeader(tarfile.TarInfo):
    """A member's header, refused where it announces a huge extended header."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """As in `tarfile`; raises `UserError`."""
        info = super().frombuf(buf, encoding, errors)
        if info.type not in tarfile.REGULAR_TYPES and info.size > HEADER_BYTES:
            raise UserError(f"The packed run is refused: {info.name!r} has a huge header.")
        return info


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer unpack`."""
    parser = subparsers.add_parser(
        "unpack", help="make a run of a packed file", description=__doc__
    )
    parser.add_argument("file", metavar="FILE", help="what `pack` wrote, or its URL")
    parser.add_argument("--run", dest="name", metavar="NEWNAME", help="the run's name (its own)")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help=RUNS_DIR)
    parser.add_argument(
        "--max-gb", type=float, default=100, help="refuse runs that need more disk (100)"
    )
    parser.set_defaults(run=run_unpack)


def run_unpack(arguments: argparse.Namespace) -> None:
    """Run the command. Raises `UserError` where the file is refused; nothing is left then."""
    most = int(arguments.max_gb * 1e9)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(arguments.file)
        if is_url(arguments.file):
            file = Path(folder) / "packed"
            download(arguments.file, file)
        run = unpack(file, arguments.runs_dir, arguments.name, most)
    sys.stderr.write(f"Unpacked {arguments.file} into {run.path}.\n")


def unpack(file: Path, root: Path, name: str | None, max_bytes: int) -> Run:
    """The run in `file`, under `root`; whole and as its checksums say, or not there at all."""
    from zstandard import ZstdDecompressor, ZstdError

    try:
        with (
            file.open("rb") as raw,
            ZstdDecompressor(max_window_size=WINDOW).stream_reader(raw) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|", tarinfo=ShortHeader) as tar,
        ):
            return _unpack(tar, root, name, max_bytes)
    except OSError as exc:
        raise UserError(f"{file} cannot be unpacked: {exc.strerror or exc}.") from exc
    except (tarfile.TarError, ZstdError, EOFError, ValueError) as exc:
        raise UserError(f"{file} is damaged, or no packed run: {exc}.") from exc


def _unpack(tar: tarfile.TarFile, root: Path, name: str | None, max_bytes: int) -> Run:
    own_name, files = _manifest(tar)
    if (needed := sum(file.size for file in files.values())) > max_bytes:
        raise UserError(f"The run needs {needed / 1e9:,.1f} GB of disk: allow it with --max-gb.")
    run = Run(root / check_name(own_name if name is None else name))
    with run_lock(run):
        if run.path.exists() or run.path.is_symlink():
            raise UserError(f"The run {run.path} exists: give another name with --run.")
        with durable_directory(run.path) as partial:
            _extract(tar, files, partial)
    return run


def _manifest(tar: tarfile.TarFile) -> tuple[str, dict[str, Entry]]:
    first = tar.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > MANIFEST_BYTES:
        raise UserError("The file is no packed run: `python -m trainer pack` writes them.")
    content = tar.extractfile(first)
    return read_manifest(content.read() if content else b"")


def _extract(tar: tarfile.TarFile, files: dict[str, Entry], into: Path) -> None:
    missing = dict(files)
    if "config.toml" not in missing:
        raise UserError("The file holds no run: it has no config.toml.")
    while (info := tar.next()) is not None:
        # Only what the manifest names, once each, as a plain file: no link, device or stray path.
        expected = missing.pop(info.name.removeprefix("run/"), None)
        content = tar.extractfile(info) if info.isreg() else None
        if expected is None or content is None or info.size != expected.size:
            raise UserError(
                f"The packed run is refused: {info.name!r} is not as its manifest says."
            )
        target = into / info.name.removeprefix("run/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if _copy(content, target) != expected.sha256:
            raise UserError(f"The packed run is damaged: {info.name!r} has another checksum.")
    if missing:
        raise UserError(f"The packed run is cut short: {min(missing)!r} is missing.")


def _copy(content: IO[bytes], target: Path) -> str:
    """Write a file and return the sha256 of what was written, in hexadecimal."""
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while block := content.read(BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()
