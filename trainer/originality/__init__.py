"""How much of what a model writes is copied from its training texts."""

import argparse


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer originality`."""
    from trainer.originality import command  # engine and readers are not needed to index texts

    command.add_parser(subparsers)
