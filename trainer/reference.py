"""A checkpoint's logits as PyTorch computes them, where PyTorch is installed."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backends import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Reference = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Tokens (T,) to the logits (T, vocabulary) after each of them, as PyTorch computes them."""


def load_reference(path: Path) -> Reference | None:
    """Load a Hugging Face directory or a GGUF file in fp32; `None` where PyTorch is not installed.

    Raises `UserError` where transformers cannot read it.
    """
    needed = ["torch", "transformers"]
    if path.is_file():
        needed.append("accelerate")  # transformers reads GGUF files with it
    if not all(map(find_spec, needed)):
        return None
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    folder, more = (path.parent, {"gguf_file": path.name}) if path.is_file() else (path, {})
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, **more
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"The checkpoint {path} cannot be read: {error}") from error
    return partial(_logits, model.float().eval())


def _logits(model: "PreTrainedModel", tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return model(torch.from_numpy(tokens)[None]).logits[0].numpy()
