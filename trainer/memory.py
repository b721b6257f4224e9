"""What a training step keeps in memory, counted without any of it.

The model is built of tensors that have a shape and no numbers (PyTorch's FakeTensorMode) and reads
a row or two; every tensor that autograd keeps for the backward pass is seen on the way. So it holds
for any family, size and precision, and takes about a second.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from trainer import attention, lora, models, probe

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Shape:
    """What a model's memory follows from; bytes where nothing else is said."""

    parameters: int
    """How many numbers."""
    learnt: int
    """How many of them learn, of which these many"""
    inner: int
    """are in matrices of the blocks, and these many"""
    embeddings: int
    """in embeddings."""
    largest: int
    """Numbers in the largest parameter that learns."""
    multiplied: int
    """Numbers that a token is multiplied by: the matrices of the blocks, and the head."""
    vocabulary: int
    width: int
    layers: int
    weights: int
    gradients: int
    row: int
    """What autograd keeps of one row."""
    copies: int
    """What it keeps whatever the number of rows: weights in bfloat16."""


def shape_of(
    config: "PretrainedConfig",
    *,
    context: int,
    low_precision: bool,
    weights: str = "fp32",
    rank: int = 0,
    on_gpu: bool = False,
) -> Shape:
    """Count a model of `config` on rows of `context` tokens, with adapters of a `rank` or none."""
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, models.DTYPES[weights])
        )
        if rank:
            lora.add_adapters(model, rank, 0.0)
    with FakeTensorMode():
        _pretend(model.train())
        masking = attention.use(
            model, context, torch.device("cpu"), models.attention_dropout(config)
        )
        if on_gpu or context > attention.SHORT:
            _use_fused_attention(model)
        one, two = (_kept(model, masking, rows, context, low_precision) for rows in (1, 2))
    return _counted(model, row=two - one, copies=max(0, 2 * one - two))


def _use_fused_attention(model: Any) -> None:
    """Attend with the fused kernel itself: on tensors without numbers PyTorch chooses another."""
    from transformers import AttentionInterface

    def fused(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, _: object, **__: object
    ) -> tuple[Tensor, None]:
        shared = query.shape[1] // key.shape[1]
        key, value = (each.repeat_interleave(shared, dim=1) for each in (key, value))
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        return kernel(query, key, value, 0.0, True)[0].transpose(1, 2), None

    AttentionInterface.register("chinwag_counted", fused)
    model.set_attn_implementation("chinwag_counted")


def _pretend(model: nn.Module) -> None:
    """Put fake tensors of the CPU in the place of those without a device; shared ones stay so."""
    made: dict[int, Tensor] = {}
    for module in model.modules():
        held: Any = module
        for members in (held._parameters, held._buffers):
            for name, tensor in members.items():
                if tensor is not None:
                    fake = torch.empty(tensor.shape, dtype=tensor.dtype)
                    if isinstance(tensor, nn.Parameter):
                        fake = nn.Parameter(fake, requires_grad=tensor.requires_grad)
                    members[name] = made.setdefault(id(tensor), fake)


def _counted(model: Any, *, row: int, copies: int) -> Shape:
    head = model.get_output_embeddings().weight
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    inner = [one for one in model.parameters() if one.ndim == 2 and id(one) not in tables]
    multiplied = {id(one): one.numel() for one in (*inner, head)}
    learnt = [one for one in model.parameters() if one.requires_grad]
    return Shape(
        parameters=sum(one.numel() for one in model.parameters()),
        learnt=sum(one.numel() for one in learnt),
        inner=sum(one.numel() for one in inner if one.requires_grad),
        embeddings=sum(one.numel() for one in learnt if id(one) in tables),
        largest=max(one.numel() for one in learnt),
        multiplied=sum(multiplied.values()),
        vocabulary=head.shape[0],
        width=head.shape[1],
        layers=model.config.num_hidden_layers,
        weights=sum(one.numel() * one.element_size() for one in model.parameters()),
        gradients=sum(one.numel() * one.element_size() for one in learnt),
        row=row,
        copies=copies,
    )


def _kept(
    model: Any, masking: attention.Masking, rows: int, context: int, low_precision: bool
) -> int:
    """Bytes that autograd keeps of a forward pass over rows of two documents each."""
    ids = torch.zeros(rows, context, dtype=torch.long)
    positions = (torch.arange(context) % max(1, context // 2)).expand(rows, context)
    with (
        torch.autocast("cpu", torch.bfloat16, enabled=low_precision),
        _counting(model) as kept,
    ):
        try:
            probe.body_of(model)(
                ids, attention_mask=masking(positions), position_ids=positions, use_cache=False
            )
        except DataDependentOutputException:  # its forward pass looks at numbers, as OPT's does
            # Korthikanti et al. 2022: 34 bytes a token, layer and channel with 16 bits.
            config = model.config
            each = (34 if low_precision else 68) * config.hidden_size * config.num_hidden_layers
            return rows * context * each
        except TypeError:
            probe.body_of(model)(ids, use_cache=False)
    return sum(kept.values())


@contextmanager
def _counting(model: nn.Module) -> Generator[dict[int, int]]:
    """Collect the bytes of what autograd keeps, once each and without the parameters."""
    own = {one.untyped_storage()._cdata for one in model.parameters()}
    kept: dict[int, int] = {}
    alive: list[Any] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
            alive.append(storage)  # so that its address is not another's later
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept
