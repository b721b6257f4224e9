import pytest
import torch
from torch.nn import functional

from trainer import loss
from trainer.loss import next_token_loss
from trainer.windows import IGNORED


def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(5, 7, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    return hidden, weight, torch.randint(50, (5, 7))


@pytest.mark.parametrize("chunk", [1, 4, 35, 1000])
def test_loss_and_gradients_are_those_of_plain_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, chunk: int
):
    monkeypatch.setattr(loss, "CHUNK", chunk)
    hidden, weight, targets = case()
    plain = functional.cross_entropy((hidden @ weight.T).flatten(0, 1), targets.flatten())
    expected = torch.autograd.grad(3 * plain, (hidden, weight))
    chunked = next_token_loss(hidden, weight, targets)
    found = torch.autograd.grad(3 * chunked, (hidden, weight))
    torch.testing.assert_close(chunked, plain)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_without_gradients_the_loss_is_the_same():
    hidden, weight, targets = case()
    with torch.no_grad():
        alone = next_token_loss(hidden, weight, targets)
    torch.testing.assert_close(alone, next_token_loss(hidden, weight, targets).detach())


@pytest.mark.parametrize("chunk", [4, 1000])
def test_where_there_is_no_target_nothing_is_learnt(monkeypatch: pytest.MonkeyPatch, chunk: int):
    monkeypatch.setattr(loss, "CHUNK", chunk)
    hidden, weight, targets = case()
    targets[1, 2:] = targets[4] = IGNORED
    logits = (hidden @ weight.T).flatten(0, 1)
    plain = functional.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED)
    expected = torch.autograd.grad(plain, (hidden, weight))
    chunked = next_token_loss(hidden, weight, targets)
    torch.testing.assert_close(chunked, plain)
    for one, other in zip(torch.autograd.grad(chunked, (hidden, weight)), expected, strict=True):
        torch.testing.assert_close(one, other)
    with torch.no_grad():
        torch.testing.assert_close(next_token_loss(hidden, weight, targets), plain)


def test_rows_without_any_target_have_no_loss_and_no_gradient():
    hidden, weight, targets = case()
    nothing = next_token_loss(hidden, weight, torch.full_like(targets, IGNORED))
    assert nothing == 0
    assert all((grad == 0).all() for grad in torch.autograd.grad(nothing, (hidden, weight)))


def test_a_vocabulary_that_is_filled_up_gives_the_same(monkeypatch: pytest.MonkeyPatch):
    hidden, weight, targets = case()
    plain = next_token_loss(hidden, weight, targets)
    expected = torch.autograd.grad(plain, (hidden, weight))
    monkeypatch.setattr(loss, "_aligned", lambda w: functional.pad(w, (0, 0, 0, -len(w) % 64)))
    padded = next_token_loss(hidden, weight, targets)
    torch.testing.assert_close(padded, plain)
    for one, other in zip(torch.autograd.grad(padded, (hidden, weight)), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_a_frozen_weight_gets_no_gradient_and_the_hidden_state_the_same():
    hidden, weight, targets = case()
    plain = next_token_loss(hidden, weight, targets)
    [expected, _] = torch.autograd.grad(plain, (hidden, weight))
    frozen = next_token_loss(hidden, weight.detach(), targets)
    [found] = torch.autograd.grad(frozen, (hidden,))
    torch.testing.assert_close(found, expected)


def test_a_weight_in_bfloat16_gets_a_gradient_in_bfloat16():
    hidden, weight, targets = case()
    low = weight.detach().bfloat16().requires_grad_()
    loss = next_token_loss(hidden.bfloat16(), low, targets)
    [found] = torch.autograd.grad(loss, (low,))
    [expected] = torch.autograd.grad(next_token_loss(hidden, weight, targets), (weight,))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.02)
