"""Run directories: their names and files, and `python -m trainer runs`, which looks at them."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backends import UserError
from backends.model_directory import NAME, check_name

EXAMPLE = """\
examples:
  python -m trainer runs
  python -m trainer runs show ask
  python -m trainer runs compare ask ask-dropout --by tokens --png compared.png
  python -m trainer runs rm ask-dropout
"""
RUNS_DIR = "where runs lie (runs)"
JSON = "as JSON, an object a line"


@dataclass(frozen=True)
class Run:
    """The files of one run."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name, which is its directory's."""
        return self.path.name

    @property
    def config(self) -> Path:
        """The settings, TOML."""
        return self.path / "config.toml"

    @property
    def manifest(self) -> Path:
        """Where the data came from, JSON."""
        return self.path / "data" / "manifest.json"

    @property
    def about(self) -> Path:
        """What the model's card will say, JSON."""
        return self.path / "about.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a logging step."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """One JSON object a sampled text."""
        return self.path / "samples.jsonl"

    @property
    def curve(self) -> Path:
        """The losses drawn, PNG."""
        return self.path / "curve.png"

    @property
    def events(self) -> Path:
        """TensorBoard's files."""
        return self.path / "tensorboard"

    @property
    def tokenizer(self) -> Path:
        """The tokenizers library's format."""
        return self.path / "tokenizer.json"

    @property
    def training(self) -> Path:
        """Token ids to learn from, a 1-D array."""
        return self.path / "data" / "train.npy"

    @property
    def validation(self) -> Path:
        """Token ids held out, a 1-D array."""
        return self.path / "data" / "validation.npy"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest validation loss."""
        return self.path / "checkpoints" / "best"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.path / "checkpoints" / "last"


def find_run(root: Path, name: str) -> Run:
    """The existing run `name` under `root`; raises `UserError` where there is none, or a part."""
    run = Run(root / check_name(name))
    with readable(run.path):
        if not run.config.is_file():
            if is_run(run.path):
                raise UserError(
                    f"The run {run.path} is damaged: it has lost its {run.config.name}."
                )
            raise UserError(
                f"There is no run {name!r} in {root}: `python -m trainer runs` lists them."
            )
    return run


def list_runs(root: Path) -> Iterator[Run]:
    """All runs under `root` by name, damaged ones too.

    Raises `UserError` where `root` is no folder, or one that cannot be read.
    """
    with readable(root):
        paths = sorted(root.iterdir()) if root.exists() else []
    yield from (Run(path) for path in paths if NAME.fullmatch(path.name) and is_run(path))


def is_run(path: Path) -> bool:
    """Whether anything in a directory says that it is a run, or what is left of one.

    What nobody may look into is taken for one: it is there, and its name is a run's.
    """
    run = Run(path)
    try:
        return any(part.exists() for part in (run.config, run.about, run.metrics, run.last.parent))
    except PermissionError:
        return True


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in a sentence what the system refuses while `path` is looked into."""
    try:
        yield
    except OSError as exc:
        raise UserError(f"{exc.filename or path} cannot be read: {exc.strerror or exc}.") from exc


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer runs` and its four commands."""
    from trainer import runs_compare, runs_list, runs_rm, runs_show

    parser = subparsers.add_parser(
        "runs",
        help="list, show, compare and remove runs",
        description="Look at runs; without a command, list them.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help=JSON)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help=RUNS_DIR)
    parser.set_defaults(run=runs_list.show_list)
    commands = parser.add_subparsers(metavar="COMMAND")
    for module in (runs_list, runs_show, runs_compare, runs_rm):
        # What is given before the command holds unless it is given again behind it.
        command = commands.add_parser(
            module.__name__.rpartition("_")[2],
            help=module.HELP,
            description=module.__doc__,
        )
        kept = argparse.SUPPRESS
        command.add_argument("--runs-dir", type=Path, default=kept, help=RUNS_DIR)
        if module is not runs_rm:
            command.add_argument("--json", action="store_true", default=kept, help=JSON)
        module.declare(command)
