"""Export a checkpoint to a model directory: the serving graph, checked, measured and described."""

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from backends import UserError
from backends.model_directory import TOKENIZER, Card, Precision, check_name, write_model
from trainer.choice import PERPLEXITY_TOLERANCE, PRECISIONS, choose, table
from trainer.runs import Run, find_run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from trainer.checked_graphs import Figures

EXAMPLE = """\
example:
  python -m trainer export --run ask --to models/ask
  python -m trainer export --model path/to/gpt2 --to models/gpt2 --data held-out.txt
  python -m trainer export --model SmolLM2-135M.gguf --to models/smollm2 --data held-out.txt
"""
FOREIGN = ("hf", "optimum")
OUR_OPTIONS = (
    *("precision", "perplexity_tolerance", "parity_tolerance"),
    *("data", "context", "short_texts", "originality_index"),
)
"""Options that mean nothing to another format."""
MOST_CHARACTERS = 1_000_000
"""Of a held-out text this much is read: more would not be measured."""
PARITY_TOLERANCE = 1e-3
"""The largest difference of a logit from PyTorch's that is put down to rounding."""


def export_model(
    source: Path,
    target: Path,
    *,
    precision: Precision | Literal["auto"] = "auto",
    perplexity_tolerance: float = PERPLEXITY_TOLERANCE,
    context: int | None = None,
    validation: "NDArray[np.integer] | None" = None,
    training: Mapping[str, object],
    data: Mapping[str, object],
    defaults: Mapping[str, Any],
    prepend_end_token: bool = False,
    base: str = "",
    base_licence: str = "",
    originality: Mapping[str, object] = MappingProxyType({}),
    evaluation: Mapping[str, object] = MappingProxyType({}),
    training_texts: Iterable[str] | None = None,
    parity_tolerance: float = PARITY_TOLERANCE,
) -> Card:
    """Write the Hugging Face directory or GGUF file `source` as the model directory `target`.

    `validation` (N,) are held-out token ids for the perplexity; without them it is not measured.
    `auto` is the fastest precision whose perplexity is at most the share `perplexity_tolerance`
    above fp32's; without held-out tokens it is fp32. `context` is the most tokens to attend to, all
    by default.
    `prepend_end_token` is for models of short texts divided by the end token. `originality` and
    `evaluation` are figures for the card. From `training_texts` an index is written beside the
    graph, with which the engine heeds `max_copied_words`.
    Raises `UserError` where the checkpoint cannot be read, parity fails or numbers overflow.
    """
    from trainer.checked_graphs import build_checked, candidates
    from trainer.originality.index import build_index, write_index
    from trainer.source import load_source

    check_name(target.name)
    loaded = load_source(source, context)
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        wanted = candidates(validation) if precision == "auto" else (precision,)
        figures = build_checked(loaded, Path(scratch), wanted, validation, parity_tolerance)
        chosen = _choose(precision, figures, perplexity_tolerance)

        def fill(folder: Path) -> None:
            for file in figures.graphs[chosen].parent.iterdir():
                shutil.copy(file, folder / file.name)
            loaded.tokenizer.save(str(folder / TOKENIZER))
            if training_texts is not None:
                write_index(build_index(training_texts), folder)

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
                originality=dict(originality),
                evaluation=dict(evaluation),
                parity=figures.parity,
                perplexity={
                    name: value for name, value in figures.perplexity.items() if value < math.inf
                },
                graph_bytes=figures.sizes(),
                tokens_per_s={name: {**each} for name, each in figures.tokens_per_s.items()},
                weights_sha256=loaded.sha256,
                files=files,
            )

        return write_model(target, fill, make_card)


def _choose(
    precision: Precision | Literal["auto"], figures: "Figures", tolerance: float
) -> Precision:
    """Return what was asked for, or the best. Raises `UserError` where its numbers overflow."""
    chosen = precision
    if chosen == "auto":
        chosen = choose(figures.perplexity, figures.tokens_per_s, tolerance)
    if figures.perplexity.get(chosen) == math.inf:
        raise UserError(
            f"In {chosen} the numbers of this model overflow. Nothing was written: export it in "
            "another precision, or, if that was fp32, train it again."
        )
    return chosen


def export_run(run: Run, target: Path, *, originality_index: bool = False, **more: Any) -> Card:
    """Export a run's best checkpoint, as `export_model` does with `more`.

    The run's `about.json` gives what the card says (`training`, `data`, `defaults`,
    `prepend_end_token`, `base`, `base_licence`, …), its validation split the held-out tokens, and
    its training split the `originality_index`.
    """
    import numpy as np

    from trainer.originality.measure import training_texts

    facts = json.loads(run.about.read_text(encoding="utf-8")) if run.about.is_file() else {}
    held_out = np.load(run.validation, mmap_mode="r") if run.validation.is_file() else None
    settings = {"training": {}, "data": {}, "defaults": {}, "validation": held_out}
    if originality_index:
        settings["training_texts"] = texts = training_texts(run)
        if texts.step > 1:
            sys.stderr.write(f"There are many texts: one of {texts.step} goes into the index.\n")
    return export_model(run.best, target, **{**settings, **facts, **more})


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer export`."""
    parser = subparsers.add_parser(
        "export",
        help="make a model directory that the bot can serve",
        description="Build the serving graph in several precisions, check fp32 against PyTorch, "
        "measure all on held-out text, and write the best choice as a model directory.",
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
        "--format",
        choices=("onnx", *FOREIGN),
        default="onnx",
        help="onnx (the default) is for the bot's own engine; hf is a clean Hugging Face "
        "directory; optimum is for ONNX Runtime in other programs",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", *PRECISIONS),
        default="auto",
        help="auto (the default) takes the fastest whose perplexity is near fp32's",
    )
    parser.add_argument(
        "--perplexity-tolerance",
        type=_share,
        default=PERPLEXITY_TOLERANCE,
        metavar="SHARE",
        help="how much worse than fp32's it may be for auto to take it (default 0.005: 0.5 %%)",
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
    parser.add_argument(
        "--originality-index",
        action="store_true",
        help="with --run: add an index of the training texts, so that the bot can refuse copies; "
        "whoever has the model can then read their words",
    )
    parser.add_argument("--parity-tolerance", type=float, default=PARITY_TOLERANCE)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace) -> None:
    """Run `python -m trainer export`. Raises `UserError`."""
    from trainer.source import load_tokenizer

    if arguments.format != "onnx":
        _export_foreign(arguments)
        return
    if arguments.originality_index and not arguments.run_name:
        raise UserError("--originality-index needs --run: only a run has its training texts.")
    more: dict[str, Any] = {
        "precision": arguments.precision,
        "context": arguments.context,
        "perplexity_tolerance": arguments.perplexity_tolerance,
        "parity_tolerance": arguments.parity_tolerance,
    }
    sys.stderr.write("Building, checking and measuring the graphs …\n")
    if arguments.run_name:
        run = find_run(arguments.runs_dir, arguments.run_name)
        if arguments.data:
            more["validation"] = read_tokens(arguments.data, load_tokenizer(run.best))
        card = export_run(run, arguments.to, originality_index=arguments.originality_index, **more)
    else:
        if arguments.data:
            more["validation"] = read_tokens(arguments.data, load_tokenizer(arguments.model))
        more |= {"training": {}, "data": {}, "defaults": {}, "base": arguments.model.name}
        short = arguments.short_texts
        card = export_model(arguments.model, arguments.to, prepend_end_token=short, **more)
    sys.stdout.write(table(card, arguments.to, arguments.perplexity_tolerance))


def _export_foreign(arguments: argparse.Namespace) -> None:
    """Write a format that is not ours, of which nothing is measured."""
    from trainer.formats import export_hf, export_optimum

    meant = {"--" + name.replace("_", "-"): getattr(arguments, name) for name in OUR_OPTIONS}
    usual = {"--precision": "auto", "--perplexity-tolerance": PERPLEXITY_TOLERANCE,
             "--parity-tolerance": PARITY_TOLERANCE}  # fmt: skip
    given = [flag for flag, value in meant.items() if value and value != usual.get(flag)]
    if given:
        raise UserError(f"{given[0]} is for --format onnx alone.")
    checkpoint = arguments.model or find_run(arguments.runs_dir, arguments.run_name).best
    if not (checkpoint / "config.json").is_file():
        raise UserError(f"{checkpoint} is no Hugging Face directory: it has no config.json.")
    export = export_hf if arguments.format == "hf" else export_optimum
    files = export(checkpoint, arguments.to)
    sys.stdout.write(f"{arguments.to}: {', '.join(files)}\n")


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError
    return value


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
