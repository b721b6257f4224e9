"""The trainer's commands: their arguments, and errors as sentences."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from backends import UserError

COMMANDS = (
    "finetune",
    "runs",
    "export",
    "generate",
    "generate-many",
    "originality",
    "evaluate",
    "push",
    "pack",
    "unpack",
)
"""Modules here with a command each; they import torch and the like only when one runs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 1 where it failed or was stopped."""
    words = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog="python -m trainer",
        description="Finetune GPT-2 on your own text and export it for the bot.",
        epilog="example: python -m trainer finetune titles.csv --model fresh:tiny --run ask",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"trainer.{name.replace('-', '_')}").add_parser(subparsers)
    arguments = parser.parse_args(words)
    arguments.command_line = words
    # A supervisor's SIGTERM cleans up as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = arguments.run(arguments) or 0
        sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
    except UnicodeEncodeError as error:
        sys.stderr.write(
            f"The output's encoding, {error.encoding}, has not all characters that are to be "
            "written: set PYTHONUTF8=1.\n"
        )
    except BrokenPipeError:
        # Who read the output has gone; nothing may be flushed to it (Python's docs on SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
    else:
        return status
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
    return 1
