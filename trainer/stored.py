"""A checkpoint as it lies on the disk, whatever the format, and what is demanded of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from trainer.nodes import Weights


class RefusedError(Exception):
    """A checkpoint cannot be exported; the message is the reason, as part of a sentence."""


@dataclass(frozen=True)
class Stored:
    """What was read: the keys of a Hugging Face `config.json`, and tensors by the names there."""

    config: Mapping[str, Any]
    weights: Weights
    """float32, without the `transformer.` or `model.` before their names."""
    tokenizer: Tokenizer
    sha256: str
    """Of the file of weights."""
    licence: str = ""
    """As the file itself states it."""
    has_reference: bool = True
    """Whether the transformers library reads these files as they are meant."""


def refuse(reasons: Mapping[str, bool]) -> None:
    """Raise `RefusedError` with the first reason that is true."""
    for reason, true in reasons.items():
        if true:
            raise RefusedError(reason)


def check_shapes(weights: Weights, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `RefusedError` unless exactly these tensors are there, each of its shape."""
    for name, shape in shapes.items():
        if name not in weights:
            raise RefusedError(f"its tensor {name} is missing")
        if weights[name].shape != shape:
            raise RefusedError(f"its tensor {name} is {weights[name].shape}, not {shape}")
    if unknown := sorted(set(weights) - set(shapes)):
        raise RefusedError(f"nothing is known of its tensor {unknown[0]}")
