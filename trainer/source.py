"""What a serving graph is made of: a Hugging Face directory or a GGUF file, read without torch."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError
from tokenizers import Tokenizer

from backends import UserError
from backends.decoding.detokenizer import TokenBytes
from backends.model_directory import Architecture
from trainer.gpt2_source import read_gpt2
from trainer.llama_source import read_llama
from trainer.nodes import Weights
from trainer.reference import Reference, load_reference
from trainer.stored import RefusedError, Stored, refuse
from trainer.stored_directory import read_directory, read_tokenizer

__all__ = ["Reference", "Source", "load_source", "load_tokenizer"]

FAMILIES = {"gpt2": read_gpt2, "llama": read_llama, "mistral": read_llama, "qwen2": read_llama}
"""Who knows what a checkpoint of a `model_type` must be."""


@dataclass(frozen=True)
class Source:
    """What a serving graph is made of, and what its logits must be."""

    reference: Reference | None
    """`None` where PyTorch is not installed, or does not read the file as it is meant."""
    weights: Weights
    sizes: Architecture
    end_token: int
    tokenizer: Tokenizer
    sha256: str
    licence: str = ""
    """As the file itself states it."""


def load_source(path: Path, context: int | None = None) -> Source:
    """Load a checkpoint in fp32; `context` cuts what it can attend to, and so its cache.

    Raises `UserError` where it is none that can be exported.
    """
    with _sentences(path):
        stored = _gguf().read_gguf(path) if path.is_file() else read_directory(path)
        family = stored.config.get("model_type")
        if family not in FAMILIES:
            raise RefusedError(f"its model type is {family!r}, not one of {', '.join(FAMILIES)}")
        if "quantization_config" in stored.config:
            raise RefusedError("its weights are quantised; only GGUF files may be")
        sizes, weights = FAMILIES[family](stored.config, stored.weights)
        if context is not None:
            sizes = _cut(sizes, context)
        end_token = _end_token(stored, sizes)
    TokenBytes(stored.tokenizer)
    return Source(
        reference=load_reference(path) if stored.has_reference else None,
        weights=weights,
        sizes=sizes,
        end_token=end_token,
        tokenizer=stored.tokenizer,
        sha256=stored.sha256,
        licence=stored.licence,
    )


def load_tokenizer(path: Path) -> Tokenizer:
    """Load no more than a checkpoint's tokenizer. Raises `UserError` where there is none."""
    with _sentences(path, "read"):
        return _gguf().read_tokenizer(path) if path.is_file() else read_tokenizer(path)


@contextmanager
def _sentences(path: Path, done: str = "exported") -> Generator[None]:
    try:
        yield
    except RefusedError as error:
        raise UserError(f"The checkpoint {path} cannot be {done}: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"The checkpoint {path} cannot be exported: its {key} is wrong ({first['msg']})."
        ) from error


def _gguf() -> ModuleType:
    """Return the reader of GGUF files, whose library is no part of what training needs."""
    try:
        from trainer import stored_gguf
    except ModuleNotFoundError as error:
        raise RefusedError(
            f"{error.name} is not installed: pip install 'chinwag[convert]'"
        ) from error
    return stored_gguf


def _cut(sizes: Architecture, context: int) -> Architecture:
    if not 2 <= context <= sizes.context:
        raise RefusedError(f"its context can be 2 to {sizes.context:,} tokens, not {context:,}")
    return sizes.model_copy(update={"context": context})


def _end_token(stored: Stored, sizes: Architecture) -> int:
    """Return the token that ends a text; where there are several, the first."""
    stated = stored.config.get("eos_token_id")
    token = stated[0] if isinstance(stated, list) and stated else stated
    if not isinstance(token, int):
        raise RefusedError("its end token is not stated")
    known, rows = stored.tokenizer.get_vocab_size(), sizes.vocabulary
    refuse(
        {
            f"its end token is {token}, and it has {rows:,} tokens": not 0 <= token < rows,
            f"its tokenizer has {known:,} tokens, and it {rows:,}": known > rows,
        }
    )
    return token
