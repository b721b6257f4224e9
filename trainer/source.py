"""Read a Hugging Face directory of GPT-2: its weights, sizes, tokenizer and end token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import GPT2Config, GPT2LMHeadModel

from backends import UserError
from backends.model_directory import TOKENIZER, Architecture, sha256_of

WEIGHTS = "model.safetensors"
FAST_GELU = {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"}
"""The activations that are the tanh form of GELU, as ONNX Runtime's FastGelu is."""

Reference = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Tokens (T,) to the logits (T, vocabulary) after each of them, as PyTorch computes them."""


@dataclass(frozen=True)
class Source:
    """What a serving graph is made of, and what its logits must be."""

    reference: Reference
    weights: Mapping[str, NDArray[Any]]
    sizes: Architecture
    end_token: int
    tokenizer: Path
    sha256: str


def load_source(path: Path) -> Source:
    """Load a checkpoint in fp32. Raises `UserError` where it is no GPT-2 that can be exported."""
    for name in ("config.json", WEIGHTS, TOKENIZER):
        if not (path / name).is_file():
            raise UserError(f"{path} is not a checkpoint that can be exported: it has no {name}.")
    try:
        config = GPT2Config.from_pretrained(path)
        model = GPT2LMHeadModel.from_pretrained(path, config=config, use_safetensors=True).float()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"The checkpoint {path} cannot be read: {error}") from error
    _refuse_variants(path, config, model)
    return Source(
        reference=partial(_logits, model.eval()),
        weights={
            name.removeprefix("transformer."): tensor.detach().numpy()
            for name, tensor in model.state_dict().items()
        },
        sizes=_sizes(config, model),
        end_token=int(config.eos_token_id),
        tokenizer=path / TOKENIZER,
        sha256=sha256_of(path / WEIGHTS),
    )


def _logits(model: GPT2LMHeadModel, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return model(torch.from_numpy(tokens)[None]).logits[0].numpy()


def _sizes(config: GPT2Config, model: GPT2LMHeadModel) -> Architecture:
    return Architecture(
        layers=config.n_layer,
        heads=config.n_head,
        width=config.n_embd,
        context=config.n_positions,
        vocabulary=config.vocab_size,
        parameters=sum(tensor.numel() for tensor in model.parameters()),
    )


def _refuse_variants(path: Path, config: GPT2Config, model: GPT2LMHeadModel) -> None:
    """Raise `UserError` for what the serving graph does not compute."""
    head_width = config.n_embd // config.n_head
    reasons = {
        "its end token is not stated": not isinstance(config.eos_token_id, int),
        f"its model type is {config.model_type!r}, not 'gpt2'": config.model_type != "gpt2",
        f"its activation is {config.activation_function!r}": (
            config.activation_function not in FAST_GELU
        ),
        f"its heads are {head_width} wide, not a multiple of 8": head_width % 8 != 0,
        "its output head is not tied to its embedding": not torch.equal(
            model.lm_head.weight, model.transformer.wte.weight
        ),
        "its attention is scaled by layer": config.scale_attn_by_inverse_layer_idx,
        "its attention is not scaled": not config.scale_attn_weights,
        "its layer-norm epsilon is not 1e-5": not np.isclose(config.layer_norm_epsilon, 1e-5),
    }
    for reason, true in reasons.items():
        if true:
            raise UserError(f"The checkpoint {path} cannot be exported: {reason}.")
