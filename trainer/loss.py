"""Next-token loss without ever holding the logits of a whole batch."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 1024
"""Positions whose logits exist at one time."""


class _ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy of `hidden @ weight.T`, its gradients found on the way forward.

    With softmax p and target t the gradient of the logits is p - onehot(t), so each chunk's
    logits can be dropped as soon as they are multiplied out.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        low = weight.to(hidden.dtype)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight)
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), CHUNK):
            part, target = hidden[start : start + CHUNK], targets[start : start + CHUNK, None]
            log_p = torch.log_softmax((part @ low.T).float(), dim=-1)
            total -= log_p.gather(1, target).sum()
            grad = log_p.exp_().scatter_add_(1, target, log_p.new_full(target.shape, -1.0))
            grad = grad.to(hidden.dtype)
            torch.mm(grad, low, out=grad_hidden[start : start + CHUNK])
            grad_weight += grad.T @ part
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.positions = len(hidden)
        return total / len(hidden)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        scale = grad_outputs[0] / ctx.positions
        return grad_hidden * scale.to(grad_hidden.dtype), grad_weight * scale, None


def next_token_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats, a scalar.

    `hidden` is (…, width), `weight` the output embedding (vocabulary, width), `targets` (…).
    """
    rows, wanted = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)
    if torch.is_grad_enabled():
        return _ChunkedLoss.apply(rows, weight, wanted)
    low = weight.to(rows.dtype)
    total = rows.new_zeros((), dtype=torch.float32)
    for part, target in zip(rows.split(CHUNK), wanted.split(CHUNK), strict=True):
        total += functional.cross_entropy((part @ low.T).float(), target, reduction="sum")
    return total / len(rows)
