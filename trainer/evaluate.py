"""`python -m trainer evaluate`: how well a model writes, in figures."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from backends import UserError
from backends.model_directory import GRAPH, TOKENIZER, read_card
from trainer.comparison import (
    Row,
    add_options,
    people_beside,
    read_texts,
    run_asked,
    table,
    write_asked,
    write_card,
)
from trainer.generate import model_asked
from trainer.runs import Run
from trainer.variety import LENGTHS, Variety, variety_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXAMPLE = """\
examples:
  python -m trainer evaluate --run ask --temperature 0.7
  python -m trainer evaluate --model models/ask --data held-out.csv --n 500 --json
"""
MOST_TOKENS = 100_000
"""Of held-out texts this many tokens are made at least: more would not be read."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `python -m trainer evaluate`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure how well a model writes",
        description="Measure perplexity on held-out texts; write texts and measure their variety, "
        "their repetition and how they end, beside the same of texts that people wrote.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="held-out texts of people (a run has its own)"
    )
    parser.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Run `python -m trainer evaluate`. Raises `UserError`."""
    run, model = run_asked(arguments), model_asked(arguments)
    tokens = _held_out_tokens(run, arguments.data, model)
    measured = None if tokens is None else _perplexity(model, tokens)
    written = write_asked(arguments)
    texts = [text.text for text in written]
    people = people_beside(run, arguments.data, texts, len(texts))
    # Variety falls with the number of texts: as many are compared.
    figures = variety_of(texts[: len(people) or None])
    human = variety_of(people) if people else None
    ended = sum(text.finish_reason == "stop" for text in written) / len(written)
    report = {
        "perplexity": measured,
        "ended": round(ended, 4),
        "model": asdict(figures),
        "people": asdict(human) if human else None,
    }
    if arguments.write_card:
        write_card(arguments, run, "evaluation", report)
    if arguments.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        beside = f" and {human.texts:,} held-out texts of people" if human else ""
        title = f"{figures.texts:,} texts of {model.name}{beside}"
        sys.stdout.write(table(title, _rows(measured, ended, figures, human)))


def _rows(
    perplexity: float | None, ended: float, figures: Variety, human: Variety | None
) -> list[Row]:
    """Return the table's lines."""

    def row(label: str, value: Callable[[Variety], float], *, share: bool = True) -> Row:
        return Row(label, value(figures), value(human) if human else None, share)

    return [
        *([] if perplexity is None else [Row("perplexity on held-out text", perplexity)]),
        Row("texts that end by themselves", ended, share=True),
        row("mean length, words", lambda of: of.mean_words, share=False),
        *(
            row(f"distinct {what} (distinct-{n})", lambda of, n=n: of.distinct[n])
            for n, what in zip(LENGTHS, ("words", "pairs", "triples"), strict=True)
        ),
        row("runs of 4 words that a text repeats", lambda of: of.repeated),
    ]


def _held_out_tokens(
    run: Run | None, file: Path | None, model: Path
) -> "NDArray[np.integer] | None":
    """Return held-out token ids as training lays them out: of the file, else of the run."""
    import numpy as np
    from tokenizers import Tokenizer

    from trainer.originality.documents import read_array

    if file is None:
        return read_array(run.validation) if run and run.validation.is_file() else None
    tokenizer = Tokenizer.from_file(str(model / TOKENIZER))
    tokenizer.encode_special_tokens = True
    card = read_card(model)
    border = [card.end_token] if card.prepend_end_token else []
    ids = [card.end_token]
    for text in read_texts(file):
        ids += [*tokenizer.encode(text).ids, *border]
        if len(ids) > MOST_TOKENS:
            break
    return np.array(ids)


def _perplexity(model: Path, tokens: "NDArray[np.integer]") -> float:
    """Return the perplexity of the model, as it is served, on held-out token ids."""
    from backends.onnx_engine.decoder import Decoder
    from backends.onnx_engine.devices import choose_provider
    from trainer.perplexity import perplexity

    if len(tokens) < 3:
        raise UserError("There is too little held-out text to measure the perplexity.")
    card = read_card(model)
    provider = choose_provider("auto", card.name, card.precision)
    decoder = Decoder(model / GRAPH, card.architecture, slots=1, threads=0, provider=provider)
    measured = perplexity(decoder, tokens, card.end_token)
    if measured == math.inf:
        raise UserError(
            f"In {card.precision} the numbers of the model {card.name} overflow: export it again."
        )
    return round(measured, 2)
