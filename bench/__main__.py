"""`python -m bench COMMAND`: measure, print tables, and with `--json` write a row a line."""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backends import UserError

if TYPE_CHECKING:
    from bench.plan import Plan
    from bench.rows import Row

PARTS = {
    "engine": "tokens/s beside CTranslate2, transformers and Optimum, and all that follows",
    "gpu": "tokens/s on a GPU beside transformers, compiled",
    "share": "how much of a step is reading weights, and how much Python",
    "mixed": "64 requests that arrive at random and mostly stop early",
}
SHAPES = ("124M", "tiny")
TRAINER = "training tokens/s beside transformers' Trainer; on a GPU also what each technique gains"
SOAK = "thousands of random requests: memory must stay flat, and no slot may be lost"


def main(given: Sequence[str] | None = None) -> int:
    arguments = make_parser().parse_args(given)
    try:
        return arguments.run(arguments)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure chinwag's engine beside others in one run, or soak it.",
        epilog="example: python -m bench engine --json engine.jsonl",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, what in PARTS.items():
        parts = [*PARTS] if name == "engine" else [name]
        _add_measurement(commands.add_parser(name, help=what, description=what), parts)
    _add_trainer(commands.add_parser("trainer", help=TRAINER, description=TRAINER))
    _add_soak(commands.add_parser("soak", help=SOAK, description=SOAK))
    return parser


def _add_measurement(parser: argparse.ArgumentParser, parts: Sequence[str]) -> None:
    parser.add_argument("--streams", type=_positive, nargs="+", default=[1, 8, 32], metavar="N")
    parser.add_argument("--rounds", type=_positive, default=5, help="repeats; medians are printed")
    parser.add_argument("--new-tokens", type=_positive, default=128, metavar="N")
    parser.add_argument("--shape", choices=SHAPES, default="124M", help="the random model's sizes")
    parser.add_argument(
        "--flat", action="store_true", help="a model that knows nothing: all tokens equally likely"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write a row a line")
    parser.set_defaults(run=run_measurement, parts=parts)


def _add_trainer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=_positive, default=3, help="repeats; medians are printed")
    parser.add_argument("--shape", choices=("all", "tiny"), default="all", help="tiny: a quick try")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write a row a line")
    parser.set_defaults(run=run_trainer)


def _add_soak(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=_positive, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run_soak)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def run_measurement(arguments: argparse.Namespace) -> int:
    # Imported here, because the soak must do without PyTorch.
    from bench.plan import Plan
    from bench.random_gpt2 import SHAPES, make_checkpoint
    from bench.rows import print_table, save_rows

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        shape = SHAPES[arguments.shape]
        checkpoint = make_checkpoint(Path(scratch) / "checkpoint", shape, flat=arguments.flat)
        plan = Plan(checkpoint, arguments.streams, arguments.rounds, arguments.new_tokens)
        print(_header(arguments.shape, plan), flush=True)
        for part in arguments.parts:
            found = importlib.import_module(f"bench.{part}").measure(plan)
            print_table(found)
            rows += found
    if arguments.json:
        save_rows(rows, arguments.json)
    return 0


def _header(shape: str, plan: "Plan") -> str:
    from bench.engines import cores
    from bench.random_gpt2 import certainty

    entropy, nucleus = certainty(plan.checkpoint)
    return (
        f"{shape} with random weights, {plan.new_tokens} new tokens, {cores()} threads a side, "
        f"{plan.rounds} rounds in turns\n"
        f"next token: entropy {entropy:.1f} nats, {nucleus:,.0f} tokens hold 0.95\n"
    )


def run_trainer(arguments: argparse.Namespace) -> int:
    import torch

    from bench import training, training_gpu
    from bench.rows import print_table, save_rows

    cases = (training.QUICK,) if arguments.shape == "tiny" else training.CASES
    rows = training.measure(cases, arguments.rounds)
    print_table(rows)
    if not torch.cuda.is_available():
        print("GPU: not measured: no GPU\n")
    elif arguments.shape == "all":
        found = training_gpu.measure()
        print_table(found)
        rows += found
    if arguments.json:
        save_rows(rows, arguments.json)
    return 0


def run_soak(arguments: argparse.Namespace) -> int:
    from bench.soak import soak

    faults = soak(arguments.requests, arguments.seed)
    for fault in faults:
        print(f"FAULT: {fault}")
    print("failed" if faults else "passed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
