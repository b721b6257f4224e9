"""Next-token loss without ever holding the logits of a whole batch."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainer.windows import IGNORED

CHUNK = 1024
"""Positions whose logits exist at one time."""
ALIGNED = 64
"""On a GPU the vocabulary is filled up to a multiple of this, or its tensor cores stand idle."""


class _ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy of `hidden @ weight.T`, its gradients found on the way forward.

    With softmax p and target t the gradient of the logits is p - onehot(t), so each chunk's
    logits can be dropped as soon as they are multiplied out. A position without a target is a row
    of zeros: it adds nothing to the weight's gradient, and gets none itself. The weight's is summed
    in fp32, and left out where it is frozen.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        learnt = targets != IGNORED
        hidden, wanted = hidden * learnt[:, None], targets.clamp(min=0)[:, None]
        low = _aligned(weight.to(hidden.dtype))
        grad_hidden = torch.empty_like(hidden)
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = torch.zeros_like(low, dtype=torch.float32)
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), CHUNK):
            chunk = slice(start, start + CHUNK)
            log_p = _log_softmax(hidden[chunk] @ low.T, len(weight))
            total -= (log_p.gather(1, wanted[chunk]) * learnt[chunk, None]).sum()
            grad = log_p.exp_().scatter_add_(1, wanted[chunk], -torch.ones_like(log_p[:, :1]))
            grad = grad.to(hidden.dtype)
            torch.mm(grad, low, out=grad_hidden[chunk])
            if grad_weight is not None:
                grad_weight += grad.T @ hidden[chunk]
        count = learnt.sum().clamp(min=1)
        if grad_weight is not None:
            grad_weight = grad_weight[: len(weight)].to(weight.dtype)
        ctx.save_for_backward(grad_hidden.mul_(learnt[:, None]), grad_weight, count)
        return total / count

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor | None, None]:
        grad_hidden, grad_weight, count = ctx.saved_tensors
        scale = grad_outputs[0] / count
        # In place: they are large, and nobody else has them.
        if grad_weight is not None:
            grad_weight.mul_(scale)
        return grad_hidden.mul_(scale.to(grad_hidden.dtype)), grad_weight, None


def next_token_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the targets that are not `IGNORED`, a scalar.

    `hidden` is (…, width), `weight` the output embedding (vocabulary, width), `targets` (…).
    """
    rows, wanted = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)
    if torch.is_grad_enabled():
        return _ChunkedLoss.apply(rows, weight, wanted)
    low = _aligned(weight.to(rows.dtype))
    total = rows.new_zeros((), dtype=torch.float32)
    for part, target in zip(rows.split(CHUNK), wanted.split(CHUNK), strict=True):
        log_p = _log_softmax(part @ low.T, len(weight))
        total += functional.nll_loss(log_p, target, ignore_index=IGNORED, reduction="sum")
    return total / (wanted != IGNORED).sum().clamp(min=1)


def loss_of_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """The same from (…, vocabulary) logits, for families whose head is no plain product."""
    return functional.cross_entropy(
        logits.float().flatten(0, -2), targets.flatten(), ignore_index=IGNORED
    )


def _aligned(weight: Tensor) -> Tensor:
    """Add rows of zeros on a GPU (Karpathy's nanoGPT: 50,257 tokens are slower than 50,304)."""
    missing = -len(weight) % ALIGNED
    return functional.pad(weight, (0, 0, 0, missing)) if weight.is_cuda and missing else weight


def _log_softmax(logits: Tensor, vocabulary: int) -> Tensor:
    """Log-probabilities in fp32; tokens beyond the vocabulary have none."""
    logits[:, vocabulary:] = -torch.inf
    return torch.log_softmax(logits.float(), dim=-1)
