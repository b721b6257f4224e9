"""A step of training with each technique switched on or off: what the ablation table compares."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW, Optimizer
from transformers import GPT2Config, GPT2LMHeadModel

from bench.random_gpt2 import Shape
from trainer import attention
from trainer.lora import add_adapters
from trainer.loss import next_token_loss
from trainer.models import FAST_GELU
from trainer.optimizers import build_optimizers, set_learning_rate
from trainer.windows import Batch

LR = 1e-4
RANK = 8

Step = Callable[[Batch], Tensor]
"""Learns from a batch; gives its loss."""


@dataclass(frozen=True)
class Recipe:
    """Techniques, in the order in which the table adds them."""

    name: str
    tf32: bool = False
    bf16: bool = False
    compiled: bool = False
    fused_attention: bool = False
    padded_vocabulary: bool = False
    fused_adamw: bool = False
    chunked_loss: bool = False
    checkpointing: bool = False
    eight_bit: bool = False
    bf16_weights: bool = False
    lora: bool = False


def cumulative(*names: str) -> list[Recipe]:
    """Recipes of which each has what the one before it has, and one technique more."""
    recipes = [Recipe("fp32")]
    for name in names:
        recipes.append(replace(recipes[-1], name=f"+ {name.replace('_', ' ')}", **{name: True}))
    return recipes


ABLATION = cumulative(
    "tf32", "bf16", "compiled", "fused_attention", "padded_vocabulary", "fused_adamw",
    "chunked_loss",
)  # fmt: skip
NANOGPT = replace(ABLATION[-2], name="nanoGPT-style loop")
"""Karpathy's nanoGPT does all of these, and makes the logits of the whole batch at once."""


def build_model(recipe: Recipe, shape: Shape, device: torch.device) -> GPT2LMHeadModel:
    """A GPT-2 with random weights on the device."""
    padding = -shape.vocabulary % 64 if recipe.padded_vocabulary else 0
    config = GPT2Config(
        n_layer=shape.layers, n_head=shape.heads, n_embd=shape.width, n_positions=shape.context,
        vocab_size=shape.vocabulary + padding, activation_function=FAST_GELU,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        attn_implementation="sdpa" if recipe.fused_attention else "eager",
    )  # fmt: skip
    torch.manual_seed(0)
    with device:
        model = GPT2LMHeadModel(config)
    if recipe.checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if recipe.bf16_weights:
        torch.nn.Module.to(model, torch.bfloat16)
    if recipe.lora:
        add_adapters(model, RANK, dropout=0.0)
    return model.train()


def build_optimizer(recipe: Recipe, model: GPT2LMHeadModel) -> Optimizer:
    """Of what is learnt: AdamW, or the trainer's with 8 bits."""
    if recipe.eight_bit:
        [optimizer] = build_optimizers(model, 0.1, "adamw8bit")
        set_learning_rate([optimizer], LR)
        return optimizer
    learnt = [each for each in model.parameters() if each.requires_grad]
    return AdamW(learnt, LR, fused=recipe.fused_adamw, foreach=False)


def make_step(recipe: Recipe, shape: Shape, device: torch.device) -> Step:
    """A fresh model's step. Rows that hold several texts need fused attention."""
    # Set for the process; every recipe sets it for itself.
    torch.set_float32_matmul_precision("high" if recipe.tf32 else "highest")
    model = build_model(recipe, shape, device)
    masking = (
        attention.use(model, shape.context, device, dropout=0.0) if recipe.fused_attention else None
    )
    body: Any = model.transformer
    if recipe.compiled:
        body = torch.compile(body)
    optimizer = build_optimizer(recipe, model)

    def loss_of(batch: Batch) -> Tensor:
        ids, positions, targets = (
            torch.from_numpy(rows).to(device)
            for rows in (batch.inputs, batch.positions, batch.targets)
        )
        places: dict[str, Any] = {}
        if batch.packed and masking:
            places = attention.arguments(positions, masking(positions))
        with torch.autocast(device.type, torch.bfloat16) if recipe.bf16 else nullcontext():
            hidden = body(ids, use_cache=False, **places).last_hidden_state
            if not recipe.chunked_loss:
                logits = model.lm_head(hidden).flatten(0, 1)
                return functional.cross_entropy(logits.float(), targets.flatten())
        low = hidden.to(torch.bfloat16) if recipe.bf16 else hidden
        return next_token_loss(low, model.lm_head.weight, targets)

    def step(batch: Batch) -> Tensor:
        loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step
