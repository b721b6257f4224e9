"""The training texts of a run, ready to hold any text against."""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from backends import UserError
from backends.word_index import WordIndex
from trainer.originality.copies import Copied, hold_against, source_of
from trainer.originality.documents import Documents, read_array
from trainer.originality.figures import figures_of
from trainer.originality.index import build_index
from trainer.runs import Run

MOST_TOKENS = 15_000_000
"""Of larger training sets a sample is indexed: this takes about 600 MB while it is made."""
LIVE_TOKENS = 1_000_000
"""The same while training: indexed in about a second."""
HELD_OUT = 1_000
"""Held-out texts that are measured, at most."""
PIECE = 100
"""Tokens to which long held-out text is cut: as long as a sample while training."""


@dataclass(frozen=True)
class Baseline:
    """The share of a text that its longest copied run makes up, for texts that people wrote."""

    median: float
    p95: float


class Originality:
    """Indexed training texts, and held-out texts of the same kind to compare with."""

    def __init__(self, documents: Documents, held_out: list[str]) -> None:
        """Index the documents."""
        self.documents = documents
        self.held_out = held_out
        self.index: WordIndex = build_index(documents)
        self._baseline: Baseline | None = None

    @classmethod
    def of(cls, run: Run, *, most_tokens: int = LIVE_TOKENS, piece: int = PIECE) -> "Originality":
        """Index a run's training texts, or a sample of them of at most `most_tokens` tokens.

        For a look while training: `Originality.of(run)` once, then
        `words, share = originality.longest_run(text)` for each sample, and `baseline` for what
        held-out human texts have. Long held-out text is cut to pieces of `piece` tokens.
        Raises `UserError` where the run's data cannot be read.
        """
        documents = training_texts(run, most_tokens)
        return cls(documents, held_out_texts(run, piece))

    def longest_run(self, text: str) -> tuple[int, float]:
        """Return a text's longest copied run in words, and as a share of its length."""
        copied = self.copied(text)
        return copied.longest, copied.share

    @property
    def baseline(self) -> Baseline | None:
        """What texts of people that were not trained on have in common; `None` without any."""
        if self._baseline is None and self.held_out:
            figures = figures_of([self.copied(text) for text in self.held_out])
            self._baseline = Baseline(figures.longest_share_median, figures.longest_share_p95)
        return self._baseline

    def copied(self, text: str) -> Copied:
        """Hold a text against the training texts."""
        return hold_against(self.index, text)

    def source(self, copied: Copied) -> str:
        """Return the training text from which the longest run of a text is copied."""
        return source_of(self.index, self.documents.__getitem__, copied)


def training_texts(run: Run, most_tokens: int = MOST_TOKENS) -> Documents:
    """Return a run's training texts, or a sample of them. Raises `UserError` without its data."""
    return _documents(run, run.training, most_tokens=most_tokens)


def held_out_texts(run: Run, piece: int, count: int = HELD_OUT) -> list[str]:
    """Return at most `count` of a run's held-out texts, cut to pieces of `piece` tokens."""
    texts = _documents(run, run.validation, longest=piece).spread(count)
    return [text for text in texts if text.strip()]


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
