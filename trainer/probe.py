"""What a model of an unknown family does, found out by asking it for a few tokens."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

TOKENS = 6
"""Tokens that are read; any will do."""


def body_of(model: Any) -> Any:
    """The part of a causal language model that its output embeddings come after."""
    return model.get_decoder() if model.base_model is model else model.base_model


@torch.no_grad()
def has_plain_head(model: Any) -> bool:
    """Whether the logits are the last layer's output times the output embeddings, and no more.

    Some families add a bias, scale the logits or bend them; their loss needs the whole model.
    """
    head = model.get_output_embeddings()
    if head is None or getattr(model.config, "final_logit_softcapping", None):
        return False
    with _evaluated(model):
        ids = _ids(model)
        logits = model(ids, use_cache=False).logits
        hidden = body_of(model)(ids, use_cache=False).last_hidden_state
        if hidden.shape[-1] != head.weight.shape[-1]:
            return False
        return _same(functional.linear(hidden, head.weight), logits)


@torch.no_grad()
def keeps_apart(model: Any) -> bool:
    """Whether positions that begin again at 0 hide what stands before them in the same row."""
    with _evaluated(model):
        ids, body, half = _ids(model), body_of(model), TOKENS // 2
        positions = (torch.arange(TOKENS, device=ids.device) % half)[None]
        try:
            together = body(ids, position_ids=positions, use_cache=False)
        except TypeError:  # it takes no positions
            return False
        alone = body(ids[:, half:], use_cache=False)
        return _same(together.last_hidden_state[:, half:], alone.last_hidden_state)


@contextmanager
def _evaluated(model: Any) -> Generator[None]:
    """A model without dropout for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _ids(model: Any) -> Tensor:
    rows = model.get_input_embeddings().weight
    return torch.arange(1, TOKENS + 1, device=rows.device)[None] % len(rows)


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two are equal but for rounding, of which bfloat16 has more."""
    share = 0.05 if other.dtype == torch.bfloat16 else 1e-3
    return bool((one - other).abs().max() <= share * other.abs().max())
