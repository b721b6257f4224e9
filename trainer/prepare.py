"""From files of texts to a new run directory with a tokenizer and two token arrays."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backends import UserError
from backends.durable import durable_directory
from trainer import duplicates, models, preview
from trainer.encode import Counts, encode
from trainer.manifest import manifest
from trainer.progress import Progress
from trainer.runs import Run
from trainer.settings import Settings, write_settings
from trainer.texts import Texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FRESH_EPOCHS, PRETRAINED_EPOCHS = 10.0, 3.0
LONG_CONTEXT, SHORTEST_CONTEXT, LONGEST_CONTEXT = 256, 32, 1024
TOKENS_PER_STEP = 8192
LEAST_STEPS, MOST_STEPS = 10, 200
"""Bounds of the steps between validations, which are half an epoch apart."""
TOKENIZER_CHARACTERS = 100_000_000
"""The most characters that a fresh tokenizer learns from."""
TOKENIZER_WORDS = 1 << 23
"""Bytes of all words that differ; learning takes some hundred bytes of memory for each."""
WORDS = re.compile(r"\w+|[^\w\s]+")


def prepare(settings: Settings, run: Run, progress: Progress) -> Settings:
    """Show and encode the data into a new run directory; gives the settings with no gap left.

    Raises `UserError` where the data or the model is unusable; no directory is left behind then.
    """
    size = models.fresh_size(settings.model)
    if not size:
        models.resolve(settings.model)
    texts = Texts.of(settings)
    preview.show(texts, progress.say)
    with _written(run), durable_directory(run.path) as folder:
        new = Run(folder)
        new.training.parent.mkdir()
        first = _without_copies(texts, folder, progress)
        tokenizer = _tokenizer(texts, size, progress)
        progress.say("Encoding …")
        counts = encode(
            texts, tokenizer, models.end_token(tokenizer, settings.model), new.training,
            new.validation, settings.val_fraction, settings.seed, long=texts.long, first=first,
        )  # fmt: skip
        settings = _filled(settings, counts, long=texts.long)
        tokenizer.save(str(new.tokenizer))
        write_settings(settings, new.config)
        new.manifest.write_text(json.dumps(manifest(texts, counts), indent=2))
    preview.report(texts, counts, settings, progress.say)
    return settings


@contextmanager
def _written(run: Run) -> Iterator[None]:
    """Say in a sentence why a run cannot be written: a full disk, say."""
    try:
        yield
    except OSError as exc:
        raise UserError(f"The run cannot be written to {run.path}: {exc.strerror or exc}.") from exc


def _without_copies(texts: Texts, folder: Path, progress: Progress) -> NDArray[np.int64] | None:
    """Let the texts leave out copies, or if those are to be kept, say what each is a copy of."""
    if texts.long:
        return None
    progress.say("Looking for duplicates …")
    kept = bool(texts.settings.keep_duplicates)
    found = duplicates.find(texts, folder, firsts=kept)
    if not kept:
        texts.copies = found.copies
    return found.first


def _tokenizer(texts: Texts, size: models.Size | None, progress: Progress) -> "Tokenizer":
    if not size:
        return models.load_tokenizer(texts.settings.model)
    progress.say("Learning a tokenizer …")
    vocabulary = texts.settings.vocabulary or size.vocabulary
    return models.train_tokenizer(_first(texts), vocabulary)


def _first(texts: Iterable[str]) -> Iterator[str]:
    """As many texts as a tokenizer learns from.

    Memory grows with the words that differ, which are many where spaces are few: in Chinese every
    clause is one.
    """
    characters, size, known = 0, 0, set[str]()
    for text in texts:
        yield text
        characters += len(text)
        new = set(WORDS.findall(text)) - known
        known |= new
        size += len("".join(new).encode())
        if characters >= TOKENIZER_CHARACTERS or size >= TOKENIZER_WORDS:
            return


def _filled(settings: Settings, counts: Counts, *, long: bool) -> Settings:
    """Choose what was left open, now that the data is known."""
    size = models.fresh_size(settings.model)
    if counts.training_tokens < 64 or counts.validation_tokens < 3:
        raise UserError(
            f"The data is too short: {counts.training_tokens:,} tokens to learn from and "
            f"{counts.validation_tokens:,} held out. Give more text or a larger --val-fraction."
        )
    context = settings.context or _usual_context(counts, long=long)
    context = min(context, counts.training_tokens - 1)
    batch_size = settings.batch_size or max(1, TOKENS_PER_STEP // context)
    an_epoch = counts.training_tokens // (batch_size * context)
    unbounded = settings.epochs is None and settings.steps is None and settings.minutes is None
    return replace(
        settings,
        context=context,
        batch_size=batch_size,
        eval_every=settings.eval_every or min(MOST_STEPS, max(LEAST_STEPS, an_epoch // 2)),
        lr=settings.lr or models.usual_lr(settings.model, settings.lora),
        epochs=(FRESH_EPOCHS if size else PRETRAINED_EPOCHS) if unbounded else settings.epochs,
    )


def _usual_context(counts: Counts, *, long: bool) -> int:
    """A power of two that holds 99 % of short texts and their end; a fixed one for long text."""
    if long:
        return LONG_CONTEXT
    needed = 1 << math.ceil(math.log2(1 + counts.covering(0.99)))
    return min(max(SHORTEST_CONTEXT, needed), LONGEST_CONTEXT)
