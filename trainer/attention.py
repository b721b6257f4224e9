"""Attention that stays inside a document, where a row holds several.

Three ways, of which each is ahead of the others somewhere: plain products on the CPU, where the
fused kernel took four times as long at 128 tokens and three times at 512; PyTorch's fused kernel
with a mask; and on a GPU FlexAttention, which passes over blocks in which no token sees another.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "chinwag"
"""The name under which transformers finds this attention."""
PLAIN = frozenset({"gpt2", "llama", "mistral", "qwen2"})
"""Families whose layers all attend to everything before them, scaled but not bent."""
SHORT = 512
"""Tokens up to which plain products are used: they are ahead beyond, too, but keep every weight."""
BLOCKS = 512
"""Tokens from which passing over blocks of 128 can pay."""

Mask = Tensor | BlockMask | None
Masking = Callable[[Tensor], Mask]


def use(model: Any, length: int, device: torch.device, dropout: float) -> Masking:
    """Set a model's attention; gives what makes its mask from positions (batch, length).

    Families that are not `PLAIN` keep their own attention, for which transformers makes masks from
    the positions itself.
    """
    config = model.config
    if config.model_type not in PLAIN or getattr(config, "sliding_window", None):
        return lambda _: None
    model.set_attn_implementation(_registered())
    if device.type == "cpu" and length <= SHORT:
        return biases
    # FlexAttention has no dropout.
    return blocks if device.type == "cuda" and length >= BLOCKS and not dropout else visible


def arguments(positions: Tensor, mask: Mask) -> dict[str, Any]:
    """What a model's body (the model without its head) is told of packed rows beside their ids.

    Bodies look into an `attention_mask`, which blocks are not: those reach the attention as an
    argument that bodies only pass on.
    """
    name = "block_mask" if isinstance(mask, BlockMask) else "attention_mask"
    return {"position_ids": positions, name: mask}


def visible(positions: Tensor) -> Tensor:
    """What a token may see, (batch, 1, length, length): its own stretch up to itself."""
    stretch = (positions == 0).cumsum(1)
    return (stretch[:, None, :, None] == stretch[:, None, None, :]).tril()


def biases(positions: Tensor) -> Tensor:
    """The same as what is added to scores: nothing, or minus infinity."""
    seen = visible(positions)
    return torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill_(~seen, float("-inf"))


def blocks(positions: Tensor) -> BlockMask:
    """The same for FlexAttention."""
    stretch = (positions == 0).cumsum(1)
    batch, length = positions.shape

    def seen(row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (stretch[row, query] == stretch[row, key]) & (query >= key)

    return create_block_mask(seen, batch, None, length, length, device=positions.device)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    block_mask: BlockMask | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attend: (batch, heads, length, head) each, to (batch, length, heads, head).

    Without a mask a query sees every key up to its own place, the newest query every key; so it
    also serves generation with a key/value cache.
    """
    mask: Mask = attention_mask
    if block_mask is not None:
        forward: Any = flex_attention_forward
        mask = block_mask
    elif query.device.type == "cpu" and key.shape[-2] <= SHORT:
        forward = short_attention
    else:
        forward = sdpa_attention_forward
    return forward(module, query, key, value, mask, dropout=dropout, scaling=scaling, **more)


def short_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """The same as plain products, with a mask of biases; heads may share keys and values."""
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = (each.repeat_interleave(shared, dim=1) for each in (key, value))
    queries, keys = query.shape[-2], key.shape[-2]
    if attention_mask is None:
        attention_mask = torch.full((queries, keys), float("-inf")).triu(keys - queries + 1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query * scale, key.transpose(-1, -2))
    weights = scores.add_(attention_mask.to(scores.dtype)).softmax(dim=-1)
    weights = functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2), None


def _registered() -> str:
    """Make the attention known to transformers and return its name."""
    AttentionInterface.register(NAME, attention)
    return NAME
