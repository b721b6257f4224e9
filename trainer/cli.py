"""The trainer's commands."""

import argparse
import sys
from collections.abc import Sequence

from backends import UserError
from trainer import export, finetune

COMMANDS = (finetune, export)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(subparsers)
    arguments = parser.parse_args(argv)
    arguments.command_line = list(argv)
    try:
        return arguments.run(arguments) or 0
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 1
