"""`python -m trainer generate-many`: write thousands of texts, and go on where it was stopped.

What is written goes line by line into FILE.partial, whose first line says what was asked. When all
is there it becomes FILE, whole or not at all. Text i has the seed of the first plus i, so a list
that was interrupted ends as if it had not been.
"""

import argparse
import asyncio
import hashlib
import json
import secrets
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from backends import Backend, ModelSpec, Prompt, UserError, Value
from backends.durable import durable_file
from backends.model_directory import CARD, read_card, sha256_of
from backends.onnx_engine import open_onnx
from trainer.generate import (
    NUMBERS,
    Written,
    add_model,
    add_sampling,
    delimited,
    make_prompt,
    model_asked,
    progress_bar,
    texts,
)

EXAMPLE = """\
examples:
  python -m trainer generate-many --model models/ask --n 10000 --to titles.txt --unique
  python -m trainer generate-many prompts.txt --run ask --n 3 --to answers.jsonl
"""
AHEAD = 64
"""Texts that are asked for at a time; so many at most wait for one before them."""
KEYS = {"prefix", "truncate", "include_prefix", *NUMBERS}
"""What a line of a `.jsonl` file of prompts may say."""


@dataclass(frozen=True)
class Line:
    """A text of the list, as a line of a `.jsonl` file has it."""

    index: int
    prefix: str
    text: str
    seed: int | None
    finish_reason: str
    tokens: int


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer generate-many`."""
    parser = subparsers.add_parser(
        "generate-many",
        help="write thousands of texts into a file, resumably",
        description="Write many texts. Stopped, it goes on where it was when it is called again.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("prompts", nargs="?", type=Path, metavar="PROMPTS", help="a prefix a line; "
                        "or .jsonl, with sampling options of each prompt's own")  # fmt: skip
    add_model(parser)
    parser.add_argument("--n", type=int, default=1, help="how many texts, of each prompt (1)")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="a .jsonl file, or "
                        "another for texts with a line of = after each")  # fmt: skip
    parser.add_argument("--unique", action="store_true", help="leave out texts written before")
    add_sampling(parser)
    parser.set_defaults(run=run_generate_many)


def run_generate_many(arguments: argparse.Namespace) -> None:
    """Run the command. Raises `UserError`."""
    if arguments.n < 1:
        raise UserError(f"--n must be at least 1, not {arguments.n}.")
    if arguments.to.exists():
        raise UserError(f"{arguments.to} is there already: choose another name, or remove it.")
    model = model_asked(arguments)
    prompts = list(_prompts(arguments, read_card(model).defaults))
    partial = arguments.to.with_name(f"{arguments.to.name}.partial")
    asked = _fingerprint(model, prompts, arguments.n)
    seed, done = _begun(partial, asked, arguments.seed)
    total = len(prompts) * arguments.n
    if done:
        sys.stderr.write(f"Going on with {partial}: {done:,} of {total:,} texts are written.\n")
    with partial.open("a", encoding="utf-8") as file, progress_bar(hidden=False) as bar:
        if not done and not partial.stat().st_size:
            _put(file, {"asked": asked, "seed": seed})
        task = bar.add_task("texts", total=total, completed=done)

        async def write() -> None:
            backend = await open_onnx(ModelSpec(model.name, "onnx", model))
            try:
                async with aclosing(
                    _lines(backend, prompts, arguments.n, seed, range(done, total))
                ) as lines:
                    async for line in lines:
                        _put(file, asdict(line))
                        bar.advance(task)
            finally:
                await backend.aclose()

        asyncio.run(write())
    _finish(partial, arguments.to, unique=arguments.unique)


def _prompts(arguments: argparse.Namespace, defaults: Mapping[str, Value]) -> Iterator[Prompt]:
    """The prompts asked for; what a line leaves open the options say, or the card."""
    if not arguments.prompts:
        yield make_prompt(arguments, defaults)
        return
    try:
        lines = arguments.prompts.read_text(encoding="utf-8-sig").splitlines()
    except OSError as exc:
        raise UserError(f"{arguments.prompts} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{arguments.prompts} is no utf-8 text.") from exc
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise UserError(f"{arguments.prompts} holds no prompt.")
    for number, line in numbered:
        where = f"{arguments.prompts}, line {number}"
        own = _options(line, where) if arguments.prompts.suffix == ".jsonl" else {"prefix": line}
        try:
            yield make_prompt(argparse.Namespace(**{**vars(arguments), **own}), defaults)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error


def _options(line: str, where: str) -> dict[str, Any]:
    """What a line of JSON asks for."""
    try:
        own = json.loads(line)
    except (ValueError, RecursionError):
        own = None
    if not isinstance(own, dict) or not set(own) <= KEYS:
        raise UserError(
            f'{where}: this is no prompt, such as {{"prefix": "Why", "temperature": 0.9}}; it may '
            f"have {', '.join(sorted(KEYS))}."
        )
    wrong = [
        name
        for name, value in own.items()
        if not (
            isinstance(value, bool)
            if name == "include_prefix"
            else isinstance(value, int | float) and not isinstance(value, bool)
            if name in NUMBERS
            else isinstance(value, str)
        )
    ]
    if wrong:
        raise UserError(f"{where}: {wrong[0]} cannot be {own[wrong[0]]!r}.")
    return own


def _fingerprint(model: Path, prompts: list[Prompt], n: int) -> str:
    """What tells this list from another one, but for its seed."""
    said = [sha256_of(model / CARD), n, *(repr(replace(prompt, n=1)) for prompt in prompts)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _begun(partial: Path, asked: str, seed: int | None) -> tuple[int, int]:
    """The list's first seed and how many texts are written; a line written by half is dropped.

    Raises `UserError` where the file was begun for another list.
    """
    if not partial.exists():
        return secrets.randbits(31) if seed is None else seed, 0
    other = UserError(f"{partial} was begun with other options: finish that, or remove it.")
    with partial.open("rb+") as file:
        whole = count = 0
        first: dict[str, Any] = {}
        for line in file:
            if not line.endswith(b"\n"):
                break
            if not whole:
                try:
                    first = json.loads(line)
                    begun, kept = first["asked"], int(first["seed"])
                except (ValueError, KeyError, TypeError) as exc:
                    raise other from exc
                if begun != asked or seed not in (None, kept):
                    raise other
            else:
                count += 1
            whole += len(line)
        file.truncate(whole)
    if not whole:
        return secrets.randbits(31) if seed is None else seed, 0
    return int(first["seed"]), count


async def _lines(
    backend: Backend, prompts: list[Prompt], n: int, seed: int, indices: range
) -> AsyncGenerator[Line, None]:
    """The list's lines in order, many of them written at a time."""

    async def line(index: int) -> Line:
        prompt = prompts[index // n]
        prompt = replace(prompt, sampling=replace(prompt.sampling, seed=seed + index))
        async with aclosing(texts(backend, prompt, 1)) as only:
            written: Written = await anext(only)
        return Line(
            index, prompt.prefix, written.text, written.seed, str(written.finish_reason),
            written.tokens,
        )  # fmt: skip

    coming = iter(indices)
    running = [asyncio.create_task(line(index)) for index in islice(coming, AHEAD)]
    try:
        while running:
            yield await running.pop(0)
            running += [asyncio.create_task(line(index)) for index in islice(coming, 1)]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _finish(partial: Path, to: Path, *, unique: bool) -> None:
    """Make the whole list of what was written."""
    known: set[str] = set()
    kept = left_out = 0
    with (
        partial.open(encoding="utf-8") as lines,
        durable_file(to) as path,
        path.open("w", encoding="utf-8") as out,
    ):
        next(lines)
        for text in lines:
            line = Line(**json.loads(text))
            same = " ".join(line.text.casefold().split())
            if unique and same in known:
                left_out += 1
                continue
            known.add(same)
            kept += 1
            out.write(text if to.suffix == ".jsonl" else delimited(line.text))
    partial.unlink()
    said = f" ({left_out:,} that were written before left out)" if left_out else ""
    sys.stderr.write(f"{to}: {kept:,} texts{said}.\n")


def _put(file: TextIO, record: Mapping[str, object]) -> None:
    file.write(json.dumps(record, ensure_ascii=False) + "\n")
    file.flush()
