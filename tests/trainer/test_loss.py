import pytest
import torch
from torch.nn import functional

from trainer import loss
from trainer.loss import next_token_loss


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
