"""The floor of the house: the shared vocabulary, the engines that write text, the model directory.

Nothing here imports `bot`, `plugins` or `trainer`.
"""

from backends.vocabulary import (
    MAX_TEXTS,
    SAMPLING_BOUNDS,
    Backend,
    BackendError,
    BackendFactory,
    Chunk,
    FinishReason,
    ModelInfo,
    ModelSpec,
    Prompt,
    Sampling,
    Usage,
    UserError,
    Value,
)

__all__ = [
    "MAX_TEXTS",
    "SAMPLING_BOUNDS",
    "Backend",
    "BackendError",
    "BackendFactory",
    "Chunk",
    "FinishReason",
    "ModelInfo",
    "ModelSpec",
    "Prompt",
    "Sampling",
    "Usage",
    "UserError",
    "Value",
]
