"""How fast rotary positions turn (Su et al. 2021), and how they are stretched to longer texts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, Field, PositiveFloat, PositiveInt

from trainer.stored import RefusedError


class Rotary(BaseModel):
    """`rope_scaling` of a `config.json`, and `rope_parameters` as transformers 5 writes it."""

    kind: str = Field("default", validation_alias=AliasChoices("rope_type", "type"))
    rope_theta: PositiveFloat = 10_000.0
    factor: PositiveFloat = 1.0
    low_freq_factor: PositiveFloat = 1.0
    high_freq_factor: PositiveFloat = 4.0
    original_max_position_embeddings: PositiveInt = 8192
    partial_rotary_factor: float = 1.0


def frequencies(given: Mapping[str, Any], head_width: int) -> NDArray[np.float32]:
    """Return the radians (head width / 2,) by which each pair of numbers turns a token.

    Raises `RefusedError` for a kind of scaling that is none of default, linear and llama3.
    """
    rotary = Rotary.model_validate(given)
    if rotary.partial_rotary_factor != 1:
        raise RefusedError("its rotary positions turn only a part of each head")
    plain = rotary.rope_theta ** -(np.arange(0, head_width, 2) / head_width)
    match rotary.kind:
        case "default":
            turned = plain
        case "linear":
            turned = plain / rotary.factor
        case "llama3":
            turned = _llama3(plain, rotary)
        case _:
            raise RefusedError(f"its rotary positions are scaled by {rotary.kind!r}")
    return turned.astype(np.float32)


def _llama3(plain: NDArray[np.float64], rotary: Rotary) -> NDArray[np.float64]:
    """Slow turns are slowed by the factor, fast ones kept, those between blended.

    As `_compute_llama3_parameters` in transformers' modeling_rope_utils.py.
    """
    turns = rotary.original_max_position_embeddings * plain / (2 * np.pi)
    low, high = rotary.low_freq_factor, rotary.high_freq_factor
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return plain * (kept + (1 - kept) / rotary.factor)
