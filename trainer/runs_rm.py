"""`python -m trainer runs rm`: remove runs, whole or not at all; exported models stay."""

import argparse
import secrets
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from backends import UserError
from backends.model_directory import check_name
from trainer.locks import run_lock
from trainer.runs import Run, is_run, readable

HELP = "remove runs; models that were exported from them stay"


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=remove_runs)


def remove_runs(arguments: argparse.Namespace) -> int:
    """Run the command. Raises `UserError` before anything is removed where a run cannot be."""
    runs = [_removable(arguments.runs_dir, name) for name in dict.fromkeys(arguments.names)]
    with ExitStack() as held:
        for run in runs:
            held.enter_context(run_lock(run))
        if not arguments.yes and not _agreed(runs):
            sys.stderr.write("Nothing was removed.\n")
            return 1
        for run in runs:
            remove(run)
            sys.stderr.write(f"Removed {run.path}.\n")
    return 0


def _removable(root: Path, name: str) -> Run:
    """The run of that name, damaged or not."""
    path = root / check_name(name)
    with readable(path):
        if path.is_symlink() or (path.is_dir() and is_run(path)):
            return Run(path)
    raise UserError(f"There is no run {name!r} in {root}: `python -m trainer runs` lists them.")


def _agreed(runs: Sequence[Run]) -> bool:
    """Ask on a terminal. Raises `UserError` where nobody can answer."""
    if not sys.stdin.isatty():
        raise UserError("Add --yes to remove runs where nobody can be asked.")
    sys.stderr.write("".join(f"  {run.path}  {_size(run.path)}\n" for run in runs))
    sys.stderr.write(f"Remove {'this run' if len(runs) == 1 else 'these runs'} for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _size(path: Path) -> str:
    if path.is_symlink():
        return f"(a link: {path.readlink()} stays)"
    with readable(path):
        return f"{sum(file.lstat().st_size for file in path.rglob('*')) / 1e6:,.0f} MB"


def remove(run: Run) -> None:
    """Take the run out of the list in one step, then delete its files.

    Links are removed, what they lead to is not. Raises `UserError` where the system refuses.
    """
    try:
        if run.path.is_symlink():
            run.path.unlink()
            return
        aside = run.path.with_name(f".{run.name}.{secrets.token_hex(4)}.removed")
        run.path.rename(aside)
    except OSError as exc:
        raise UserError(f"{run.path} cannot be removed: {exc.strerror or exc}.") from exc
    try:
        shutil.rmtree(aside)
    except OSError as exc:
        raise UserError(
            f"{run.path} is no run any more, but not all of it could be deleted "
            f"({exc.strerror or exc}): delete {aside} by hand."
        ) from exc
