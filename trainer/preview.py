"""What a person sees of the data before training: what it was taken for, texts and figures."""

from collections.abc import Callable
from itertools import islice

from backends import UserError
from trainer import models
from trainer.chats.writers import Writers
from trainer.encode import Counts
from trainer.files import Part, told
from trainer.readers import registry
from trainer.settings import Settings
from trainer.texts import Texts

SHOWN = 300
"""Characters of a text that are shown."""
FILES = 5
"""Files that are told one by one."""
ENGLISH = 0.25
"""Tokens per character of English prose with GPT-2's vocabulary."""
MANY = 1.5
"""So many times as many are a bad fit."""

Say = Callable[[str], None]


def show(texts: Texts, say: Say) -> None:
    """Say what the files were taken for, with the first three texts. Raises `UserError`."""
    for part in texts.parts[:FILES]:
        say(_description(part, texts.settings))
    if (more := len(texts.parts) - FILES) > 0:
        say(f"… and {more:,} more files")
    if texts.skipped:
        say(f"Not read: {told(texts.skipped)}.")
    records = list(islice(texts, 3))
    if not records:
        raise UserError(_nothing(texts))
    for text in records:
        shown = text if len(text) <= SHOWN else text[:SHOWN] + " …"
        say("  | " + shown.strip().replace("\n", "\n    "))


def _nothing(texts: Texts) -> str:
    """Why all files together, which were read to their ends, hold no text."""
    more = len(texts.parts) - 1
    others = f" and {more:,} more {'files' if more > 1 else 'file'}" if more else ""
    where, why = f"{texts.parts[0].path}{others}", told(texts.dropped)
    if person := texts.settings.person:
        writers = Writers(texts.of_people())
        if person not in writers:
            counts = f" ({why})" if why else ""
            return (
                f"There is no message of {person!r} to learn from in {where}{counts}. "
                f"{writers.instead_of(person)}"
            )
    return f"{where} {'hold' if more else 'holds'} no texts: {why or 'there is none'}."


def _description(part: Part, settings: Settings) -> str:
    file = part.look(settings.encoding)
    encoding = f"{file.encoding} ({file.how})" if file.how else file.encoding
    with file.sentences():
        notes = registry.READERS[part.format].notes(file, settings)
    facts = ", ".join(filter(None, (part.format, file.compression, encoding, notes)))
    return f"{part.path}: {facts} ({part.reason})"


def report(texts: Texts, counts: Counts, settings: Settings, say: Say) -> None:
    """Say how many texts and tokens there are, and what was dropped and why."""
    unit = "stretches of text" if texts.long else "texts"
    say(
        f"{counts.texts:,} {unit} ({told(texts.dropped) or 'nothing'} dropped), "
        f"{counts.training_tokens:,} tokens to learn from, {counts.validation_tokens:,} held out; "
        f"windows of {settings.context} tokens, {settings.batch_size} in a step."
    )
    if not texts.long:
        say(
            f"Tokens in a text: half have at most {counts.covering(0.5):,}, 95 % at most "
            f"{counts.covering(0.95):,}, the longest {counts.longest:,}."
        )
    density = counts.tokens / max(1, counts.characters)
    say(
        f"{density:.2f} tokens per character (English with GPT-2's vocabulary: {ENGLISH})"
        + (_advice(settings) if density > MANY * ENGLISH else "")
    )


def _advice(settings: Settings) -> str:
    if models.fresh_size(settings.model):
        return ": more --vocabulary would help."
    return ": the model's vocabulary fits this text badly. A fresh model learns its own."
