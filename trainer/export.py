"""Export a checkpoint to a model directory: the serving graph, checked, measured and described."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends import UserError
from backends.model_directory import TOKENIZER, Card, Precision, check_name, write_model
from trainer.runs import Run, find_run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

EXAMPLE = """\
example:
  python -m trainer export --run ask --to models/ask
  python -m trainer export --model path/to/gpt2 --to models/gpt2 --data held-out.txt
  python -m trainer export --model SmolLM2-135M.gguf --to models/smollm2 --data held-out.txt
"""
PERPLEXITY_TOLERANCE = 0.005
"""How much worse than fp32 (as a share) int8's perplexity may be for `auto` to choose it."""
MOST_CHARACTERS = 1_000_000
"""Of a held-out text this much is read: more would not be measured."""
PARITY_TOLERANCE = 1e-3
"""The largest difference of a logit from PyTorch's that is put down to rounding."""


def export_model(
    source: Path,
    target: Path,
    *,
    precision: str = "auto",
    context: int | None = None,
    validation: "NDArray[np.integer] | None" = None,
    training: Mapping[str, object],
    data: Mapping[str, object],
    defaults: Mapping[str, Any],
    prepend_end_token: bool = False,
    base: str = "",
    base_licence: str = "",
    parity_tolerance: float = PARITY_TOLERANCE,
) -> Card:
    """Write the Hugging Face directory or GGUF file `source` as the model directory `target`.

    `validation` (N,) are held-out token ids for the perplexity; without them it is not measured and
    `auto` means fp32. `context` is the most tokens to attend to, all by default.
    `prepend_end_token` is for models of short texts divided by the end token.
    Raises `UserError` where the checkpoint cannot be read or parity fails.
    """
    from trainer.checked_graphs import build_checked
    from trainer.source import load_source

    check_name(target.name)
    loaded = load_source(source, context)
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        figures = build_checked(loaded, Path(scratch), validation, parity_tolerance)
        chosen = choose(precision, figures.perplexity)

        def fill(folder: Path) -> None:
            for file in figures.graphs[chosen].parent.iterdir():
                shutil.copy(file, folder / file.name)
            loaded.tokenizer.save(str(folder / TOKENIZER))

        def make_card(files: dict[str, str]) -> Card:
            return Card(
                name=target.name,
                architecture=loaded.sizes,
                precision=chosen,
                end_token=loaded.end_token,
                prepend_end_token=prepend_end_token,
                defaults=dict(defaults),
                base=base,
                base_licence=base_licence or loaded.licence,
                data=dict(data),
                training=dict(training),
                parity=figures.parity,
                perplexity=dict(figures.perplexity),
                graph_bytes=dict(figures.sizes()),
                weights_sha256=loaded.sha256,
                files=files,
            )

        return write_model(target, fill, make_card)


def choose(precision: str, perplexity: Mapping[Precision, float]) -> Precision:
    """Return the precision to serve: the one asked for, or int8 where it is as good as fp32."""
    if precision == "fp32" or precision == "int8":
        return precision
    if "int8" not in perplexity:
        return "fp32"
    worse = perplexity["int8"] / perplexity["fp32"] - 1
    return "int8" if worse <= PERPLEXITY_TOLERANCE else "fp32"


def export_run(run: Run, target: Path, **more: Any) -> Card:
    """Export a run's best checkpoint, as `export_model` does with `more`.

    The run's `about.json` gives what the card says (`training`, `data`, `defaults`,
    `prepend_end_token`, `base`, `base_licence`), its validation split the held-out tokens.
    """
    import numpy as np

    facts = json.loads(run.about.read_text(encoding="utf-8")) if run.about.is_file() else {}
    held_out = np.load(run.validation, mmap_mode="r") if run.validation.is_file() else None
    settings = {"training": {}, "data": {}, "defaults": {}, "validation": held_out}
    return export_model(run.best, target, **{**settings, **facts, **more})


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer export`."""
    parser = subparsers.add_parser(
        "export",
        help="make a model directory that the bot can serve",
        description="Build the serving graph in fp32 and int8, check it against PyTorch, measure "
        "both on held-out text, and write the better choice as a model directory.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--run", dest="run_name", metavar="NAME", help="a run: its best checkpoint is exported"
    )
    source.add_argument(
        "--model", type=Path, metavar="PATH", help="a Hugging Face directory or a GGUF file"
    )
    parser.add_argument("--to", type=Path, required=True, help="where to write: models/NAME")
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "int8"),
        default="auto",
        help="auto (the default) takes int8 where its perplexity is within 0.5 %% of fp32's",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="held-out text, or token ids as .npy, for the perplexity (a run has its own)",
    )
    parser.add_argument(
        "--short-texts",
        action="store_true",
        help="with --model: it was trained on short texts divided by the end token",
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="TOKENS",
        help="attend to so many tokens at most: fewer than it was trained with take less memory",
    )
    parser.add_argument("--parity-tolerance", type=float, default=PARITY_TOLERANCE)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace) -> None:
    """Run `python -m trainer export`. Raises `UserError`."""
    from trainer.source import load_tokenizer

    more: dict[str, Any] = {
        "precision": arguments.precision,
        "context": arguments.context,
        "parity_tolerance": arguments.parity_tolerance,
    }
    sys.stderr.write("Building, checking and measuring the graphs …\n")
    if arguments.run_name:
        run = find_run(arguments.runs_dir, arguments.run_name)
        if arguments.data:
            more["validation"] = read_tokens(arguments.data, load_tokenizer(run.best))
        card = export_run(run, arguments.to, **more)
    else:
        if arguments.data:
            more["validation"] = read_tokens(arguments.data, load_tokenizer(arguments.model))
        more |= {"training": {}, "data": {}, "defaults": {}, "base": arguments.model.name}
        short = arguments.short_texts
        card = export_model(arguments.model, arguments.to, prepend_end_token=short, **more)
    sys.stdout.write(table(card, arguments.to))


def read_tokens(path: Path, tokenizer: "Tokenizer") -> "NDArray[np.integer]":
    """Return the token ids of a `.npy` file or of a text. Raises `UserError` if it is neither."""
    import numpy as np

    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r")
        with path.open(encoding="utf-8") as stream:
            text = stream.read(MOST_CHARACTERS)
        return np.array(tokenizer.encode(text).ids)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as held-out text: {error}") from error


def table(card: Card, target: Path) -> str:
    """Return what was measured, a line a precision, the chosen one marked."""
    compared = (
        f"logits within {max(card.parity.values()):.1e} of PyTorch's"
        if card.parity
        else "not compared with PyTorch"
    )
    lines = [
        f"{target}: {card.architecture.parameters:,} parameters, {compared}",
        f"{'precision':<12}{'perplexity':>12}{'megabytes':>12}",
    ]
    for precision, size in card.graph_bytes.items():
        figure = f"{card.perplexity[precision]:.3f}" if precision in card.perplexity else "–"
        chosen = "  <- chosen" if precision == card.precision else ""
        lines.append(f"{precision:<12}{figure:>12}{size / 1e6:>12.1f}{chosen}")
    return "\n".join(lines) + "\n"
