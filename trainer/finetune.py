"""`python -m trainer finetune`: a file of texts becomes a run and a model directory."""

import argparse
import json
import shlex
import signal
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from backends import UserError
from backends.model_directory import check_name
from trainer.locks import run_lock
from trainer.processes import rank, restarted
from trainer.readers.registry import READERS
from trainer.runs import Run, find_run
from trainer.settings import CHATS, LINKS, OPTIMIZERS, WEIGHTS, Settings, read_settings

EXAMPLE = """\
examples:
  python -m trainer finetune titles.csv --model fresh:tiny --run ask
  python -m trainer finetune plays.txt --model 124M --run stage --prefix ROMEO: --minutes 45
  python -m trainer finetune --run stage --resume
"""
BUDGETS = ("epochs", "steps", "minutes")


def run_finetune(arguments: argparse.Namespace) -> int:
    """Train, or go on with a run; then export its best checkpoint. Raises `UserError`.

    Of the processes that torchrun starts only the main one reads arguments and data and exports.
    """
    if arguments.plan:
        return _show_plan(arguments)
    if not arguments.run_name:
        arguments.wrong_use("give the run a name: --run NAME (only --plan goes without)")
    if rank():
        return _join(arguments)
    with run_lock(Run(arguments.runs_dir / check_name(arguments.run_name))):
        return _finetune(arguments)


def _show_plan(arguments: argparse.Namespace) -> int:
    given = _given(arguments)
    if "data" not in given or "model" not in given:
        raise UserError("Give the file of texts and --model to plan with.")
    settings = Settings(**given)
    from trainer.planning import show_plan

    show_plan(settings, arguments.memory_gb)
    return 0


def _join(arguments: argparse.Namespace) -> int:
    # Until it trains it has nothing to save, and waiting for the others no handler would run.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from trainer.sitting import join

    try:
        return int(join(arguments.threads).state == "stopped")
    except KeyboardInterrupt:  # of which the main process tells
        return 1


def _finetune(arguments: argparse.Namespace) -> int:
    settings, run, resume = _asked(arguments)
    # torch takes seconds to import: what is wrong with the arguments is said before that.
    from trainer.sitting import finetune

    state = finetune(
        settings, run, resume=resume, threads=arguments.threads,
        command_line=arguments.command_line, memory_gb=arguments.memory_gb,
        find_lr=arguments.find_lr,
    )  # fmt: skip
    if state.state == "stopped":
        saved = f"Stopped and saved at step {state.step:,}. To go on:\n"
        sys.stderr.write(f"{saved}  {resume_command(arguments)}\n")
        return 1
    if not arguments.no_export:
        _export(run, arguments.models_dir / run.name, index=arguments.originality_index)
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[Settings, Run, bool]:
    """The settings asked for, the run, and whether it is gone on with, or else must be new.

    When torchrun starts a failed training anew, it gives the first command again.
    """
    given = _given(arguments)
    begun = Run(arguments.runs_dir / check_name(arguments.run_name)).config.is_file()
    if arguments.resume or (restarted() and begun):
        run = find_run(arguments.runs_dir, arguments.run_name)
        return _resumed(read_settings(run.config), given), run, True
    if "data" not in given or "model" not in given:
        raise UserError("Give the file of texts and --model (only --resume goes without).")
    run = Run(arguments.runs_dir / check_name(arguments.run_name))
    if run.path.exists():
        raise UserError(
            f"There is a run {run.name!r} already: add --resume to go on with it, choose another "
            f"--run name, or remove {run.path}."
        )
    return Settings(**given), run, False


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command states."""
    given = {
        field.name: value
        for field in fields(Settings)
        if (value := getattr(arguments, field.name)) is not None
    }
    # One is written down as itself, as argparse cannot.
    if len(named := given.pop("data")):
        given["data"] = named[0] if len(named) == 1 else named
    return given


def _resumed(kept: Settings, given: dict[str, object]) -> Settings:
    """A run's own settings; only its budget may change, and what is given otherwise must agree."""
    for name, value in given.items():
        if name not in BUDGETS and value != getattr(kept, name):
            flag = "DATA" if name == "data" else "--" + name.replace("_", "-")
            raise UserError(
                f"This run has {flag} {getattr(kept, name)!r}, which --resume keeps: leave "
                f"{flag} out, or start a new run."
            )
    budget = {name: given[name] for name in BUDGETS if name in given}
    return replace(kept, **(dict.fromkeys(BUDGETS) | budget)) if budget else kept


def resume_command(arguments: argparse.Namespace) -> str:
    """The command that goes on with the run of `arguments`."""
    command = ["python", "-m", "trainer", "finetune", "--run", arguments.run_name, "--resume"]
    for flag, usual in (("runs_dir", Path("runs")), ("models_dir", Path("models"))):
        if (value := getattr(arguments, flag)) != usual:
            command += ["--" + flag.replace("_", "-"), str(value)]
    if arguments.originality_index:
        command.append("--originality-index")
    return shlex.join(command)


def _export(run: Run, target: Path, *, index: bool) -> None:
    from trainer.choice import table
    from trainer.export import export_run
    from trainer.stored import RefusedError

    sys.stderr.write("Building, checking and measuring the graphs …\n")
    try:
        card = export_run(run, target, originality_index=index)
    except UserError as error:
        if not isinstance(error.__cause__, RefusedError):
            raise
        sys.stderr.write(f"{error}\n{_served_otherwise(run)}")
        return
    sys.stdout.write(table(card, target))


def _served_otherwise(run: Run) -> str:
    """What to do with a run that the engine has no graph for."""
    return (
        "The run is whole, and the bot serves it through PyTorch with these lines in its config:\n"
        f'  [models.{run.name}]\n  backend = "transformers"\n  path = {json.dumps(str(run.path))}\n'
        'or, in ONNX Runtime where Optimum knows the family, with backend = "optimum".\n'
    )


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer finetune`."""
    parser = subparsers.add_parser(
        "finetune",
        help="train a GPT-2 on a file of texts",
        description="Train a GPT-2 on a file of texts and export it as a model directory.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run_finetune, wrong_use=parser.error)
    add = parser.add_argument
    add("data", nargs="*", metavar="DATA", help="files, folders or patterns: texts, tables, chats")
    add("--model", metavar="M", help="a Hugging Face directory; 124M, 355M, 774M or 1558M; or "
        "fresh:tiny, fresh:small, fresh:medium or fresh:large")  # fmt: skip
    add("--run", dest="run_name", metavar="NAME", help="name of the run")
    add("--resume", action="store_true", help="go on with a run that was stopped")
    _add_training(parser)
    _add_data(parser)
    _add_chats(parser)
    add("--threads", type=_threads, metavar="N", help="CPU threads")
    add("--runs-dir", type=Path, default=Path("runs"), help="where runs lie (runs)")
    add("--models-dir", type=Path, default=Path("models"), help="where models lie (models)")
    add("--originality-index", action="store_true", help="export with an index of the training "
        "texts, so that the bot can refuse copies")  # fmt: skip
    add("--plan", action="store_true", help="say what the run would need, and train nothing")
    add("--memory-gb", type=_gigabytes, metavar="GB", help="plan for a GPU with that much memory")
    add("--find-lr", action="store_true", help="try learning rates first and take the best")
    add("--no-export", action="store_true", help="write no model directory at the end")


def _gigabytes(word: str) -> float:
    """Read an amount of memory, likewise."""
    if not 0.1 <= float(word) <= 10_000:
        raise ValueError
    return float(word)


def _threads(word: str) -> int:
    """Read a count of threads; argparse turns the `ValueError` into its message."""
    if not 1 <= int(word) <= 1024:
        raise ValueError
    return int(word)


def _add_training(parser: argparse.ArgumentParser) -> None:
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--epochs", type=float, metavar="E", help="times through the data "
                        "(10 for a fresh model, else 3)")  # fmt: skip
    budget.add_argument("--steps", type=int, metavar="S", help="steps of training")
    budget.add_argument("--minutes", type=float, metavar="T", help="minutes of training")
    add = parser.add_argument
    add("--seed", type=int, metavar="N", help="of weights, split and order (1)")
    add("--prefix", help="beginning of the samples, and the model's own prefix in a channel")
    add("--batch-size", type=int, metavar="N", help="windows in a step")
    add("--micro-batch", type=int, metavar="N", help="windows computed together; fewer take less "
        "memory and change nothing else")  # fmt: skip
    add("--context", type=int, metavar="N", help="tokens in a window")
    add("--vocabulary", type=int, metavar="N", help="tokens of a fresh model's tokenizer")
    add("--lr", type=float, metavar="X", help="the highest learning rate")
    add("--weight-decay", type=float, metavar="X", help="0.1 unless given")
    add("--dropout", type=float, metavar="X", help="0 unless given; 0.1 to 0.2 for little text")
    add(
        "--eval-every",
        type=int,
        metavar="N",
        help="steps between validations (half an epoch, 10 to 200)",
    )
    add("--sample-every", type=int, metavar="N", help="steps between samples (500)")
    add("--patience", type=int, metavar="N", help="stop after N validations without a gain (5); "
        "0 never stops early")  # fmt: skip
    add("--optimizer", choices=OPTIMIZERS, help="adamw; muon for a fresh model; adamw8bit to save "
        "memory")  # fmt: skip
    add("--gradient-checkpointing", action=argparse.BooleanOptionalAction, help="compute again in "
        "the backward pass what would take memory")  # fmt: skip
    add("--weights", choices=WEIGHTS, help="what the weights are kept in (fp32)")
    add("--lora", type=int, metavar="RANK", help="train adapters of this rank instead of the "
        "model; 0 for none")  # fmt: skip
    add("--compile", action="store_true", default=None, help="compile the model: faster after a "
        "minute or two; needs a C++ compiler")  # fmt: skip


def _add_data(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--format", choices=["auto", *READERS], help="what DATA is, if not as it looks")
    add("--encoding", help="of DATA, if not as it looks")
    add("--header", action=argparse.BooleanOptionalAction, help="whether a table begins with one")
    add("--column", metavar="NAME", help="the column, or key, that holds the texts")
    add("--separator", metavar="S", help="what stands between two texts, such as '\\n\\n'")
    add("--min-length", type=int, metavar="N", help="characters of the shortest text to keep")
    add("--max-length", type=int, metavar="N", help="characters of the longest text to keep")
    add("--keep-duplicates", action="store_true", default=None, help="keep texts that stand in "
        "DATA twice")  # fmt: skip
    add("--val-fraction", type=float, metavar="X", help="share of the texts held out (0.05)")
    add("--source", help="where the data comes from, for the model's card")
    add("--licence", help="the data's licence, for the model's card")
    add("--consent", metavar="TEXT", help="who agreed that it is used, for the model's card")


def _add_chats(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--chat", choices=CHATS, help="what chat logs become (conversation)")
    add("--person", metavar="NAME", help="take one person's messages from a chat, each a text")
    add("--gap", type=float, metavar="M", help="minutes of silence that end a conversation (30)")
    add("--keep-bots", action="store_true", default=None, help="keep what bots said in a chat")
    add("--links", choices=LINKS, help="what becomes of links in a chat (drop)")
    add("--leave-out", action="append", metavar="NAME", help="leave a person out of a chat, by "
        "name or id; may be given several times")  # fmt: skip
    add("--opt-out", metavar="FILE", help="leave out those in a list of `python -m bot optouts`")
    add("--subreddit", metavar="NAME", help="the one to take from a Reddit dump")
    add("--top", type=int, metavar="N", help="texts of a Reddit dump to keep, by score")
