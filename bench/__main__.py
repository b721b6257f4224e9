"""`python -m bench [engine]`: measure, print a table, and with `--json` write a row a line."""

import argparse
import asyncio
from pathlib import Path

from bench.engine import measure


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure chinwag's engine beside transformers' generate, in one run.",
        epilog="example: python -m bench engine --streams 1 8 --json engine.jsonl",
    )
    parser.add_argument("benchmark", nargs="?", choices=("engine",), default="engine")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8], metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="repeats; medians are printed")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write a row a line")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.streams, arguments.rounds, arguments.new_tokens, arguments.json))


if __name__ == "__main__":
    main()
