"""The optimizers of a model: AdamW, AdamW with 8 bits, and Muon for inner matrices."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from trainer.eight_bit import eight_bit_adamw

Kind = Literal["adamw", "adamw8bit", "muon"]
BETAS = (0.9, 0.95)


def build_optimizers(model: nn.Module, weight_decay: float, kind: Kind) -> list[Optimizer]:
    """Give every parameter of `model` that learns to one optimizer.

    Matrices decay, vectors do not. `muon` is for the inner matrices only (Jordan et al. 2024); its
    steps are scaled to AdamW's size, so that one learning rate serves both. `adamw8bit` keeps
    embeddings' states in 32 bits, for their gradients are uneven. Raises `UserError` where a
    library lacks.
    """
    embeddings = [m.weight for m in model.modules() if isinstance(m, nn.Embedding)]
    known = {id(weight) for weight in embeddings}
    groups: dict[str, list[Tensor]] = {"inner": [], "matrices": [], "vectors": []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            inner = kind == "muon" and parameter.ndim == 2 and id(parameter) not in known
            group = "inner" if inner else "matrices" if parameter.ndim > 1 else "vectors"
            groups[group].append(parameter)
    adam: list[dict[str, Any]] = [
        {"params": groups["matrices"], "weight_decay": weight_decay},
        {"params": groups["vectors"], "weight_decay": 0.0},
    ]
    adam = [group for group in adam if group["params"]]
    if kind == "adamw8bit":
        return [eight_bit_adamw(adam, whole=embeddings, betas=BETAS)]
    optimizers: list[Optimizer] = [AdamW(adam, betas=BETAS, fused=True)]
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
    """All state as `OPTIMIZER.PARAMETER.KEY` -> tensor; whole numbers become int64 scalars."""
    seen: set[int] = set()

    def apart(value: Any) -> Tensor:
        """What parameters share, as 8-bit Adam's tables, cannot be stored twice: a copy can."""
        tensor = torch.as_tensor(value).detach().contiguous()
        shared = tensor.data_ptr() in seen
        seen.add(tensor.data_ptr())
        return tensor.clone() if shared else tensor

    return {
        f"{number}.{index}.{key}": apart(value)
        for number, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in _flat(state)
    }


def _flat(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A parameter's state; bitsandbytes wraps a part of it in a table of its own."""
    for key, value in state.items():
        if isinstance(value, dict):
            yield from value.items()
        else:
            yield key, value


def load_state(optimizers: list[Optimizer], tensors: dict[str, Tensor]) -> None:
    """Put back what `state_tensors` gave; raises `ValueError` where it does not fit."""
    states: list[dict[int, dict[str, Any]]] = [{} for _ in optimizers]
    for name, tensor in tensors.items():
        number, index, key = name.split(".")
        whole = tensor.dtype == torch.int64 and not tensor.ndim
        states[int(number)].setdefault(int(index), {})[key] = tensor.item() if whole else tensor
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def clip_gradients(model: nn.Module, longest: float = 1.0) -> None:
    """Scale the gradients down where their joint length is above `longest`."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), longest)
