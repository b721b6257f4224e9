"""The training texts of a run, ready to hold any text against."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from backends import UserError
from backends.word_index import WordIndex
from trainer.originality.copies import Copied, hold_against, source_of
from trainer.originality.documents import Documents, pieces, read_array
from trainer.originality.figures import Figures, figures_of
from trainer.originality.index import build_index
from trainer.runs import Run

MOST_TOKENS = 15_000_000
"""Of larger training sets a sample is indexed: this takes about 600 MB while it is made."""
LIVE_TOKENS = 1_000_000
"""The same while training: indexed in about a second."""
HELD_OUT = 1_000
"""Held-out texts that are measured, at most."""
WORDS = 75
"""To this many long held-out text is cut: about as long as a sample while training."""


@dataclass(frozen=True)
class Baseline:
    """The share of a text that its longest copied run makes up, for texts that people wrote."""

    median: float
    p95: float


class Originality:
    """Indexed training texts, and held-out texts of the same kind to compare with."""

    def __init__(self, documents: Documents | list[str], held_out: list[str]) -> None:
        """Index the documents."""
        self.documents = documents
        self.held_out = held_out
        self.index: WordIndex = build_index(documents)

    @classmethod
    def of(cls, run: Run, *, most_tokens: int = LIVE_TOKENS, words: int = WORDS) -> "Originality":
        """Index a run's training texts, or a sample of them of at most `most_tokens` tokens.

        For a look while training: `Originality.of(run)` once, then
        `words, share = originality.longest_run(text)` for each sample, and `baseline` for what
        held-out human texts have. Long held-out text is cut to pieces of so many `words`.
        Raises `UserError` where the run's data cannot be read.
        """
        documents = training_texts(run, most_tokens)
        return cls(documents, pieces(held_out_texts(run), words, HELD_OUT))

    def longest_run(self, text: str) -> tuple[int, float]:
        """Return a text's longest copied run in words, and as a share of its length."""
        copied = self.copied(text)
        return copied.longest, copied.share

    @property
    def baseline(self) -> Baseline | None:
        """What texts of people that were not trained on have in common; `None` without any."""
        people = self.people
        return people and Baseline(people.longest_share_median, people.longest_share_p95)

    @cached_property
    def people(self) -> Figures | None:
        """All figures of the held-out texts; `None` without any."""
        return figures_of([*map(self.copied, self.held_out)]) if self.held_out else None

    def copied(self, text: str) -> Copied:
        """Hold a text against the training texts."""
        return hold_against(self.index, text)

    def source(self, copied: Copied) -> str:
        """Return the training text from which the longest run of a text is copied."""
        return source_of(self.index, lambda text: self.documents[text], copied)


def training_texts(run: Run, most_tokens: int = MOST_TOKENS) -> Documents:
    """Return a run's training texts, or a sample of them. Raises `UserError` without its data."""
    return _documents(run, run.training, most_tokens=most_tokens)


def held_out_texts(run: Run) -> Documents | list[str]:
    """Return a run's held-out texts, or a sample of them; none where it has none."""
    if not run.validation.is_file():
        return []
    return _documents(run, run.validation, most_tokens=LIVE_TOKENS)


def _documents(run: Run, path: Path, **more: int) -> Documents:
    tokens = read_array(path)
    # Encoded data begins with the end token.
    return Documents(tokens, read_tokenizer(run), int(tokens[0]) if len(tokens) else 0, **more)


def read_tokenizer(run: Run) -> Tokenizer:
    """Read a run's tokenizer. Raises `UserError` where it is missing or broken."""
    try:
        return Tokenizer.from_file(str(run.tokenizer))
    # The tokenizers library raises Exception itself.
    except Exception as error:
        raise UserError(f"{run.tokenizer} is missing or broken: {error}") from error
