import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import UserError
from tests.models import tiny_tokenizer
from trainer.eight_bit import rounded_by_chance
from trainer.models import Size, fresh_model
from trainer.optimizers import build_optimizers, set_learning_rate

SIZE = Size(layers=1, heads=2, width=64, vocabulary=300, lr=0.01)


def trained(kind: str, dtype: torch.dtype, steps: int = 30) -> float:
    """Train on one batch; gives the last loss."""
    torch.manual_seed(0)
    net = fresh_model(SIZE, tiny_tokenizer(), context=16, dropout=0.0)
    torch.nn.Module.to(net, dtype)
    ids = torch.randint(300, (4, 16))
    optimizers = build_optimizers(net, 0.0, kind)  # pyright: ignore[reportArgumentType] - a word
    set_learning_rate(optimizers, 3e-3)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        loss = net(ids, labels=ids).loss
        assert loss is not None
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return loss.item()


def test_eight_bits_learn_as_32_do_and_bf16_weights_hardly_less():
    exact = trained("adamw", torch.float32)
    assert trained("adamw8bit", torch.float32) == pytest.approx(exact, rel=0.1)
    assert trained("adamw8bit", torch.bfloat16) == pytest.approx(exact, rel=0.2)


def test_matrices_have_states_of_8_bits_embeddings_and_vectors_of_32():
    net = fresh_model(SIZE, tiny_tokenizer(), context=16, dropout=0.0)
    (optimizer,) = build_optimizers(net, 0.1, "adamw8bit")
    net(
        torch.ones(1, 4, dtype=torch.long), labels=torch.ones(1, 4, dtype=torch.long)
    ).loss.backward()
    optimizer.step()
    embeddings = {id(net.transformer.wte.weight), id(net.transformer.wpe.weight)}
    for parameter in net.parameters():
        whole = parameter.ndim == 1 or id(parameter) in embeddings
        kind = torch.float32 if whole else torch.uint8
        assert optimizer.state[parameter]["state1"].dtype == kind


def test_updates_too_small_for_bf16_are_not_lost_on_average():
    low = torch.ones(4096, dtype=torch.bfloat16)
    torch.manual_seed(0)
    for _ in range(64):
        low = rounded_by_chance(low.float() + 1e-4)
    assert (torch.ones(1, dtype=torch.bfloat16) + 1e-4).item() == 1
    assert low.float().mean().item() == pytest.approx(1 + 64e-4, abs=3e-4)


@settings(max_examples=50)
@given(st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100), st.integers(0, 9))
def test_a_number_is_rounded_to_one_of_its_two_neighbours(number: float, seed: int):
    torch.manual_seed(seed)
    exact = torch.tensor([number])
    rounded = rounded_by_chance(exact)
    below = (exact.view(torch.int32) & -(1 << 16)).view(torch.float32)
    above = ((exact.view(torch.int32) & -(1 << 16)) + (1 << 16)).view(torch.float32)
    assert rounded.float() in (below, above)
    if exact.to(torch.bfloat16).float() == exact:
        assert rounded.float() == exact


def test_without_the_library_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim.adamw", None)
    with pytest.raises(UserError, match=r"pip install 'chinwag\[eightbit\]'"):
        build_optimizers(torch.nn.Linear(2, 2), 0.1, "adamw8bit")
