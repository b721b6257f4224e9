"""`python -m trainer generate`: write any number of texts with a trained model."""

import argparse
import asyncio
import contextlib
import json
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from backends import (
    MAX_TEXTS,
    Backend,
    BackendError,
    Chunk,
    FinishReason,
    ModelSpec,
    Prompt,
    Sampling,
    UserError,
    Value,
)
from backends.durable import durable_file
from backends.model_directory import read_card, sha256_of
from backends.onnx_engine import open_onnx
from backends.presentation import presented
from trainer.export import export_run
from trainer.runs import Run, find_run

EXAMPLE = """\
example:
  python -m trainer generate --model models/ask --n 20 --temperature 0.7
  python -m trainer generate --run shakespeare --prefix "ROMEO:" --truncate "JULIET:" --n 3
"""
DELIMITER = "=" * 20 + "\n"
"""Stands after each text of a file, as gpt-2-simple writes it."""
NUMBERS: Mapping[str, tuple[type[int] | type[float], str]] = {
    "temperature": (float, "0 is greedy, 1 the model's own distribution"),
    "top_k": (int, "choose among the k likeliest tokens; 0 among all"),
    "top_p": (float, "choose among the likeliest tokens that reach this probability; 1 among all"),
    "min_p": (float, "drop tokens less likely than this share of the likeliest"),
    "repetition_penalty": (float, "make tokens seen before less likely; 1 is off"),
    "max_tokens": (int, "the most new tokens of a text, the prefix not counted"),
    "max_copied_words": (
        int,
        "the most words in a row from the training texts, for models "
        "exported with an index of them; 0 is any number",
    ),
}
"""The numbers of `Sampling` that have an option of their own."""


@dataclass(frozen=True)
class Written:
    """One finished text, as it is shown and as `--json` prints it."""

    text: str
    seed: int | None
    finish_reason: FinishReason
    tokens: int


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer generate`."""
    parser = subparsers.add_parser(
        "generate",
        help="write texts with a run or a model directory",
        description="Write texts. What an option leaves open, the model's card decides.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    parser.add_argument("--n", type=int, default=1, help="how many texts, any number (default 1)")
    add_sampling(parser)
    parser.add_argument("--to-file", type=Path, metavar="FILE", help="write there, not to stdout")
    parser.add_argument("--json", action="store_true", help="one JSON object a text")
    parser.set_defaults(run=run_generate)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say what writes: see `model_asked`."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--run", dest="run_name", metavar="NAME", help="a run: its best checkpoint writes"
    )
    source.add_argument("--model", type=Path, metavar="DIRECTORY", help="a model directory")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--models-dir", type=Path, default=Path("models"))


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say how it writes: see `make_prompt`."""
    parser.add_argument("--prefix", help="what every text begins with")
    parser.add_argument("--truncate", help="end a text before this string")
    parser.add_argument(
        "--include-prefix",
        action=argparse.BooleanOptionalAction,
        help="show the prefix in front of each text (default: yes)",
    )
    for name, (kind, what) in NUMBERS.items():
        parser.add_argument("--" + name.replace("_", "-"), type=kind, help=what)
    parser.add_argument("--seed", type=int, help="text i is written with seed + i: the same again")


def run_generate(arguments: argparse.Namespace) -> None:
    """Run `python -m trainer generate`. Raises `UserError`."""
    if arguments.n < 1:
        raise UserError(f"--n must be at least 1, not {arguments.n}.")
    model = model_asked(arguments)
    prompt = make_prompt(arguments, read_card(model).defaults)
    with contextlib.ExitStack() as stack:
        to = arguments.to_file and stack.enter_context(durable_file(arguments.to_file))
        out = stack.enter_context(to.open("w", encoding="utf-8")) if to else sys.stdout
        apart = to is not None or arguments.n > 1
        show = as_json if arguments.json else as_delimited if apart else as_line
        bar = stack.enter_context(progress_bar(hidden=to is None and sys.stdout.isatty()))
        asyncio.run(_write(model, prompt, arguments.n, bar, lambda text: _put(out, show(text))))


def model_asked(arguments: argparse.Namespace) -> Path:
    """Return the model directory that `add_model`'s options name; a run is exported now."""
    run_name = arguments.run_name
    return arguments.model or model_of(find_run(arguments.runs_dir, run_name), arguments.models_dir)


def write_many(model: Path, prompt: Prompt, n: int) -> list[Written]:
    """Return n texts, with progress on stderr. Raises `UserError` where the model cannot."""
    written: list[Written] = []
    with progress_bar(hidden=False) as bar:
        asyncio.run(_write(model, prompt, n, bar, written.append))
    return written


def model_of(run: Run, models: Path) -> Path:
    """Return a model directory with the run's best checkpoint: exported before, or now.

    That is the one of the run's name in `models` if it was made from this very checkpoint, else
    the run's own `model`, which is made anew when the checkpoint has changed.
    """
    weights = run.best / "model.safetensors"
    if not weights.is_file():
        raise UserError(f"The run {run.name} has no checkpoint yet: train it first.")
    checksum = sha256_of(weights)
    own = run.path / "model"
    for candidate in (models / run.name, own):
        if _made_from(candidate, checksum):
            return candidate
    sys.stderr.write(f"Exporting the best checkpoint of the run {run.name} …\n")
    export_run(run, own)
    return own


def make_prompt(arguments: argparse.Namespace, defaults: Mapping[str, Value]) -> Prompt:
    """Return the prompt for one text: options first, then the card's defaults, then our own.

    Raises `UserError` where a value is out of bounds.
    """
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    values: dict[str, Any] = {**defaults, **given}
    truncate = unescape(values.get("truncate", ""))
    try:
        sampling = Sampling(
            **{name: values[name] for name in NUMBERS if name in values},
            stop=(truncate,) if truncate else (),
            seed=values.get("seed"),
        )
    except TypeError as error:  # only a card can hold something that is no number
        raise UserError(f"The defaults of the model's card are broken: {error}.") from error
    return Prompt(
        text="",
        prefix=unescape(values.get("prefix", "")),
        include_prefix=values.get("include_prefix", True),
        sampling=sampling,
    )


def unescape(text: str) -> str:
    r"""Return the text with a typed `\n` or `\t` made what it stands for, as in the chat."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


async def texts(backend: Backend, prompt: Prompt, n: int) -> AsyncGenerator[Written, None]:
    """Write n texts like `prompt`, and give each as soon as it and those before it are whole.

    Asks for at most `MAX_TEXTS` at a time. Raises `BackendError` where the backend does.
    """
    for start in range(0, n, MAX_TEXTS):
        seed = prompt.sampling.seed
        sampling = replace(prompt.sampling, seed=None if seed is None else seed + start)
        batch = replace(prompt, sampling=sampling, n=min(MAX_TEXTS, n - start))
        async with contextlib.aclosing(presented(backend, batch)) as chunks:
            async for text in _in_order(chunks):
                yield text


async def _in_order(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Written]:
    """Collect the chunks of several texts; give whole texts in the order of their indices."""
    pieces = defaultdict[int, list[str]](list)
    whole: dict[int, Written] = {}
    following = 0
    async for chunk in chunks:
        pieces[chunk.index].append(chunk.text)
        if chunk.finish_reason is None:
            continue
        tokens = chunk.usage.completion_tokens if chunk.usage else 0
        text = "".join(pieces.pop(chunk.index))
        whole[chunk.index] = Written(text, chunk.seed, chunk.finish_reason, tokens)
        while following in whole:
            yield whole.pop(following)
            following += 1


def as_json(text: Written) -> str:
    """Return a text as one line of JSON."""
    return json.dumps(asdict(text), ensure_ascii=False) + "\n"


def delimited(text: str) -> str:
    """Return a text as gpt-2-simple writes it to a file."""
    return f"{text}\n{DELIMITER}"


def as_delimited(text: Written) -> str:
    """Return a text that others follow."""
    return delimited(text.text)


def as_line(text: Written) -> str:
    """Return a text that stands alone."""
    return f"{text.text}\n"


async def _write(
    model: Path, prompt: Prompt, n: int, bar: Progress, put: Callable[[Written], None]
) -> None:
    backend = await open_onnx(ModelSpec(model.name, "onnx", model))
    task = bar.add_task("texts", total=n)
    try:
        async for text in texts(backend, prompt, n):
            put(text)
            bar.advance(task)
    finally:
        await backend.aclose()


def progress_bar(*, hidden: bool) -> Progress:
    """Return a bar on stderr; hidden where texts would run through it on the same screen."""
    return Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=hidden,
    )


def _put(out: TextIO, text: str) -> None:
    out.write(text)
    out.flush()


def _made_from(model: Path, checksum: str) -> bool:
    """Tell whether a model directory was exported from the weights with this checksum."""
    try:
        return read_card(model).weights_sha256 == checksum
    except BackendError:
        return False
