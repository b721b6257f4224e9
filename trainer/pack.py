"""`python -m trainer pack`: write a run into one file, for a mounted drive or another machine."""

import argparse
import io
import sys
import tarfile
import tempfile
from pathlib import Path

from backends import UserError
from backends.durable import durable_file
from trainer.locks import run_lock
from trainer.packed import MANIFEST, check_path, entry, member, write_manifest
from trainer.remote import is_url, upload
from trainer.runs import RUNS_DIR, Run, find_run

LEVEL = 3
"""Weights hardly become smaller at any level; this is Zstandard's own default."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer pack`."""
    parser = subparsers.add_parser("pack", help="write a run into one file", description=__doc__)
    parser.add_argument("--run", dest="name", required=True, metavar="NAME", help="the run")
    parser.add_argument(
        "--to",
        required=True,
        metavar="PLACE",
        help="a new file, or a folder for it; or a URL of a new file that fsspec knows",
    )
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help=RUNS_DIR)
    parser.set_defaults(run=run_pack)


def run_pack(arguments: argparse.Namespace) -> None:
    """Run the command. Raises `UserError` where the run is in use or the target is taken."""
    run = find_run(arguments.runs_dir, arguments.name)
    with run_lock(run):
        if is_url(arguments.to):
            place, size = arguments.to, _pack_to_url(run, arguments.to)
        else:
            to = Path(arguments.to)
            place = to / f"{run.name}.tar.zst" if to.is_dir() else to
            pack(run, place)
            size = place.stat().st_size
    sys.stderr.write(f"Packed {run.path} into {place}, {size / 1e6:,.1f} MB.\n")


def _pack_to_url(run: Run, url: str) -> int:
    """Pack here, then copy it there; returns its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "packed"
        pack(run, file)
        upload(file, url)
        return file.stat().st_size


def pack(run: Run, target: Path) -> None:
    """Write the run's files into `target`, whole or not at all."""
    if target.exists():
        raise UserError(f"{target} exists: choose another name, or remove it.")
    try:
        files = {str(path.relative_to(run.path).as_posix()): path for path in _files(run)}
        for name in files:
            check_path(name)
        entries = {name: entry(path) for name, path in files.items()}
        with durable_file(target) as partial:
            _write(partial, files, write_manifest(run.name, entries))
    except OSError as exc:
        raise UserError(f"{run.path} cannot be packed: {exc.strerror or exc}.") from exc


def _files(run: Run) -> list[Path]:
    paths = sorted(run.path.rglob("*"))
    if link := next((path for path in paths if path.is_symlink()), None):
        raise UserError(f"{link} is a link, and only plain files are packed: put the file there.")
    return [path for path in paths if path.is_file()]


def _write(partial: Path, files: dict[str, Path], manifest: bytes) -> None:
    from zstandard import ZstdCompressor

    compressor = ZstdCompressor(level=LEVEL, threads=-1, write_checksum=True)
    with (
        partial.open("xb") as raw,
        compressor.stream_writer(raw, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        tar.addfile(member(MANIFEST, len(manifest)), io.BytesIO(manifest))
        for name, path in files.items():
            with path.open("rb") as file:
                tar.addfile(member(f"run/{name}", path.stat().st_size), file)
