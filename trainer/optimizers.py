"""The optimizers of a model: AdamW, and Muon for the matrices of a fresh one."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer


def build_optimizers(model: nn.Module, weight_decay: float, *, fresh: bool) -> list[Optimizer]:
    """Give every parameter of `model` to one optimizer.

    Matrices decay, vectors do not. A model that starts from nothing learns its inner matrices with
    Muon (Jordan et al. 2024), whose steps are scaled to AdamW's size so that one learning rate
    serves both; pretrained weights were made with Adam and stay with it.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    groups: dict[str, list[Tensor]] = {"inner": [], "matrices": [], "vectors": []}
    for parameter in model.parameters():
        inner = fresh and parameter.ndim == 2 and id(parameter) not in embeddings
        kind = "inner" if inner else "matrices" if parameter.ndim > 1 else "vectors"
        groups[kind].append(parameter)
    optimizers: list[Optimizer] = [
        AdamW(
            [
                {"params": groups["matrices"], "weight_decay": weight_decay},
                {"params": groups["vectors"], "weight_decay": 0.0},
            ],
            betas=(0.9, 0.95),
            fused=True,
        )
    ]
    if groups["inner"]:
        optimizers.append(
            Muon(groups["inner"], weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        )
    return optimizers


def set_learning_rate(optimizers: Iterable[Optimizer], lr: float) -> None:
    """Use `lr` in every group."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr


def state_tensors(optimizers: Iterable[Optimizer]) -> dict[str, Tensor]:
    """All state as `OPTIMIZER.PARAMETER.KEY` -> tensor."""
    return {
        f"{number}.{index}.{key}": value.detach().contiguous()
        for number, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def load_state(optimizers: list[Optimizer], tensors: dict[str, Tensor]) -> None:
    """Put back what `state_tensors` gave; raises `ValueError` where it does not fit."""
    states: list[dict[int, dict[str, Tensor]]] = [{} for _ in optimizers]
    for name, tensor in tensors.items():
        number, index, key = name.split(".")
        states[int(number)].setdefault(int(index), {})[key] = tensor
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def clip_gradients(model: nn.Module, longest: float = 1.0) -> None:
    """Scale the gradients down where their joint length is above `longest`."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), longest)
