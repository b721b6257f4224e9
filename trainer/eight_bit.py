"""AdamW with states of 8 bits (Dettmers et al. 2021), and weights that may have 16.

https://huggingface.co/docs/bitsandbytes/optimizers has the optimizer; it runs on CUDA and, slowly,
on the CPU.
"""

import logging
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from backends import UserError

# Importing it on a machine without a GPU logs that a product, which is not used here, lacks.
logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
MISSING = (
    "--optimizer adamw8bit needs bitsandbytes, which is not installed: pip install "
    "'chinwag[eightbit]'."
)


def is_installed() -> bool:
    """Whether the library is there."""
    return find_spec("bitsandbytes") is not None


def eight_bit_adamw(
    groups: Iterable[dict[str, Any]], whole: Iterable[Tensor], **more: Any
) -> torch.optim.Optimizer:
    """An AdamW for the parameter `groups`; those in `whole` keep states of 32 bits.

    Raises `UserError` where bitsandbytes is not installed.
    """
    try:
        from bitsandbytes.optim.adamw import AdamW8bit
    except ImportError as error:
        raise UserError(MISSING) from error

    keep = {id(parameter) for parameter in whole}

    class EightBitAdamW(AdamW8bit):
        """Rounds weights of 16 bits by chance, without which small updates are lost."""

        def get_config(self, gindex: int, pindex: int, group: dict[str, Any]) -> dict[str, Any]:
            config = super().get_config(gindex, pindex, group)
            if id(group["params"][pindex]) in keep:
                config["optim_bits"] = 32
            return config

        def update_step(self, group: dict[str, Any], p: Tensor, gindex: int, pindex: int) -> None:
            if p.dtype != torch.bfloat16:
                super().update_step(group, p, gindex, pindex)
                return
            assert p.grad is not None  # noqa: S101 - what has none is not updated
            weights, gradient = p.data, p.grad
            p.grad = None
            p.data = weights.float()
            p.grad = gradient.float()
            super().update_step(group, p, gindex, pindex)
            weights.copy_(rounded_by_chance(p.data))
            p.grad = None
            p.data = weights

    return EightBitAdamW(groups, **more)


def rounded_by_chance(numbers: Tensor) -> Tensor:
    """float32 to bfloat16, up or down with a chance that makes the mean right.

    The lower 16 bits are what bfloat16 leaves out: a random number of 16 bits added to them carries
    over as often as they are large (Gupta et al. 2015 call it stochastic rounding).
    """
    bits = numbers.view(torch.int32)
    chance = torch.randint_like(bits, 1 << 16)
    # As whole numbers magnitudes grow with the bits, whatever the sign.
    return ((bits + chance) & -(1 << 16)).view(torch.float32).to(torch.bfloat16)
