"""From a file of texts to a new run directory with a tokenizer and two token arrays."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from backends import UserError
from backends.durable import durable_directory
from trainer import models
from trainer.encode import Counts, encode
from trainer.progress import Progress
from trainer.runs import Run
from trainer.settings import Settings, write_settings
from trainer.sniff import Kind, sniff
from trainer.texts import Texts

FRESH_EPOCHS, PRETRAINED_EPOCHS = 10.0, 3.0
LONG_CONTEXT, SHORTEST_CONTEXT, LONGEST_CONTEXT = 256, 32, 1024
TOKENS_PER_STEP = 8192
TOKENIZER_CHARACTERS = 100_000_000
"""The most characters that a fresh tokenizer learns from."""
SHOWN = 300
"""Characters of a text that are shown."""


def prepare(settings: Settings, run: Run, progress: Progress) -> Settings:
    """Show and encode the data into a new run directory; gives the settings with no gap left.

    Raises `UserError` where the data or the model is unusable; no directory is left behind then.
    """
    size = models.fresh_size(settings.model)
    if not size:
        models.resolve(settings.model)
    path = Path(settings.data)
    texts = Texts(path, sniff(path, settings.format, settings.encoding, settings.header))
    _show(texts, progress)
    if size:
        progress.say("Learning a tokenizer …")
        vocabulary = settings.vocabulary or size.vocabulary
        tokenizer = models.train_tokenizer(_first(texts, TOKENIZER_CHARACTERS), vocabulary)
    else:
        tokenizer = models.load_tokenizer(settings.model)
    progress.say("Encoding …")
    with durable_directory(run.path) as folder:
        new = Run(folder)
        new.training.parent.mkdir()
        counts = encode(
            texts, texts.layout.kind, tokenizer, models.end_token(tokenizer),
            new.training, new.validation, settings.val_fraction, settings.seed,
        )  # fmt: skip
        settings = _filled(settings, texts.layout.kind, counts)
        tokenizer.save(str(new.tokenizer))
        write_settings(settings, new.config)
        new.manifest.write_text(json.dumps(_manifest(settings, texts, counts), indent=2))
    _report(texts, counts, settings, progress)
    return settings


def _show(texts: Texts, progress: Progress) -> None:
    """Say what the file was taken for, with its first three texts."""
    layout = texts.layout
    header = (
        "" if layout.kind != Kind.CSV else f", header {'left out' if layout.header else 'none'}"
    )
    progress.say(f"{texts.path}: {layout.kind}, {layout.encoding}{header} ({layout.reason})")
    if layout.columns > 1:
        progress.say(f"It has {layout.columns} columns: only the first is used.")
    records = list(islice(texts, 3))
    if not records:
        raise UserError(f"{texts.path} holds no texts: every row is blank.")
    for text in records:
        shown = text if len(text) <= SHOWN else text[:SHOWN] + " …"
        progress.say("  | " + shown.strip().replace("\n", "\n    "))


def _first(texts: Iterable[str], characters: int) -> Iterator[str]:
    """Texts until they have this many characters together."""
    for text in texts:
        yield text
        characters -= len(text)
        if characters <= 0:
            return


def _filled(settings: Settings, kind: Kind, counts: Counts) -> Settings:
    """Choose what was left open, now that the data is known."""
    size = models.fresh_size(settings.model)
    if counts.training_tokens < 64 or counts.validation_tokens < 3:
        raise UserError(
            f"{settings.data} is too short: {counts.training_tokens:,} tokens to learn from and "
            f"{counts.validation_tokens:,} held out. Give more text or a larger --val-fraction."
        )
    context = settings.context or _usual_context(kind, counts)
    context = min(context, counts.training_tokens - 1)
    unbounded = settings.epochs is None and settings.steps is None and settings.minutes is None
    return replace(
        settings,
        context=context,
        batch_size=settings.batch_size or max(1, TOKENS_PER_STEP // context),
        lr=settings.lr or (size.lr if size else models.PRETRAINED_LR),
        epochs=(FRESH_EPOCHS if size else PRETRAINED_EPOCHS) if unbounded else settings.epochs,
    )


def _usual_context(kind: Kind, counts: Counts) -> int:
    """A power of two that holds 99 % of short texts, or a fixed length for long text."""
    if kind is Kind.TEXT:
        return LONG_CONTEXT
    needed = 1 << math.ceil(math.log2(max(1, counts.covering(0.99))))
    return min(max(SHORTEST_CONTEXT, needed), LONGEST_CONTEXT)


def _manifest(settings: Settings, texts: Texts, counts: Counts) -> dict[str, Any]:
    """What the card says of the data."""
    with texts.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "file": texts.path.name,
        "source": settings.source,
        "licence": settings.licence,
        "sha256": digest,
        "kind": str(texts.layout.kind),
        "rows": counts.texts,
        "dropped": dict(texts.dropped),
        "characters": counts.characters,
        "training_tokens": counts.training_tokens,
        "validation_tokens": counts.validation_tokens,
    }


def _report(texts: Texts, counts: Counts, settings: Settings, progress: Progress) -> None:
    unit = "stretches of text" if texts.layout.kind is Kind.TEXT else "texts"
    dropped = ", ".join(f"{number:,} {why}" for why, number in texts.dropped.items()) or "nothing"
    progress.say(
        f"{counts.texts:,} {unit} ({dropped} dropped), {counts.training_tokens:,} tokens to learn "
        f"from, {counts.validation_tokens:,} held out; windows of {settings.context} tokens, "
        f"{settings.batch_size} in a step."
    )
