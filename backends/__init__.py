"""The floor of the house: the shared vocabulary, the engines that write text, the model directory.

Nothing here imports `bot`, `plugins` or `trainer`.
"""

from backends.vocabulary import (
    MAX_LOGPROBS,
    MAX_TEXTS,
    SAMPLING_BOUNDS,
    Backend,
    BackendError,
    BackendFactory,
    Chunk,
    FinishReason,
    Load,
    Measured,
    ModelInfo,
    ModelSpec,
    Prompt,
    Sampling,
    TokenLogprob,
    Usage,
    UserError,
    Value,
)

__all__ = [
    "MAX_LOGPROBS",
    "MAX_TEXTS",
    "SAMPLING_BOUNDS",
    "Backend",
    "BackendError",
    "BackendFactory",
    "Chunk",
    "FinishReason",
    "Load",
    "Measured",
    "ModelInfo",
    "ModelSpec",
    "Prompt",
    "Sampling",
    "TokenLogprob",
    "Usage",
    "UserError",
    "Value",
]
