from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.optim import Muon

from tests.models import tiny_tokenizer
from trainer.models import Size, fresh_model
from trainer.optimizers import Kind, build_optimizers, load_state, set_learning_rate, state_tensors

KINDS: tuple[Kind, ...] = get_args(Kind)
# Wide enough for matrices that 8-bit Adam keeps in 8 bits: it does so from 4,096 numbers on.
SIZE = Size(layers=1, heads=2, width=64, vocabulary=300, lr=0.01)


def model() -> torch.nn.Module:
    return fresh_model(SIZE, tiny_tokenizer(), context=8, dropout=0.0)


def step(net: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    torch.stack([p.square().sum() for p in net.parameters()]).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def test_every_parameter_belongs_to_one_optimizer_and_vectors_do_not_decay():
    net = model()
    for kind in KINDS:
        groups = [g for o in build_optimizers(net, 0.1, kind=kind) for g in o.param_groups]
        owned = [id(p) for group in groups for p in group["params"]]
        assert sorted(owned) == sorted(map(id, net.parameters()))
        for group in groups:
            if any(p.ndim == 1 for p in group["params"]):
                assert group["weight_decay"] == 0


def test_only_the_inner_matrices_of_a_fresh_model_learn_with_muon():
    net = model()
    assert not any(isinstance(o, Muon) for o in build_optimizers(net, 0.1, kind="adamw"))
    muon = build_optimizers(net, 0.1, kind="muon")[1]
    assert isinstance(muon, Muon)
    names = {id(p): name for name, p in net.named_parameters()}
    for parameter in muon.param_groups[0]["params"]:
        assert ".h." in names[id(parameter)]
        assert parameter.ndim == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_state_put_back_makes_the_next_step_the_same(
    kind: Kind, dtype: torch.dtype, tmp_path: Path
):
    one, other = model().to(dtype), model().to(dtype)
    first, second = (build_optimizers(net, 0.1, kind) for net in (one, other))
    set_learning_rate([*first, *second], 0.01)
    step(one, first)
    other.load_state_dict(one.state_dict())
    save_file(state_tensors(first), tmp_path / "state.safetensors")
    load_state(second, load_file(tmp_path / "state.safetensors"))
    for net, optimizers in ((one, first), (other, second)):
        torch.manual_seed(0)
        step(net, optimizers)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
