"""Load or make all that one sitting of training works with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from backends import UserError
from trainer import attention, checkpoint, lora, models, probe
from trainer.checkpoint import State
from trainer.optimizers import Kind, build_optimizers
from trainer.processes import Processes
from trainer.runs import Run
from trainer.schedule import Budget
from trainer.settings import Settings
from trainer.windows import Windows


@dataclass
class Session:
    """Everything the loop needs; `state` is what changes."""

    run: Run
    settings: Settings
    model: Any
    """A causal language model of transformers, with adapters or without."""
    tokenizer: Tokenizer
    end: int
    optimizers: list[Optimizer]
    training: Windows
    validation: Windows
    budget: Budget
    state: State
    team: Processes
    micro_batch: int
    """The most rows that go through the model together; less where memory has run out."""
    say: Callable[[str], None]
    device: torch.device
    low_precision: bool
    """Whether products are made in bfloat16."""
    plain_head: bool
    """Whether the loss can be found without the whole logits."""
    forward: Callable[[Tensor, Tensor | None], Tensor]
    """Ids and, of packed rows, positions (batch, length) to outputs (batch, length, width)."""

    @property
    def peak_lr(self) -> float:
        """The highest learning rate."""
        assert self.settings.lr is not None  # noqa: S101 - filled in by prepare
        return self.settings.lr

    @property
    def eval_every(self) -> int:
        """Steps between validations."""
        assert self.settings.eval_every is not None  # noqa: S101 - filled in by prepare
        return self.settings.eval_every


def open_session(
    settings: Settings, run: Run, say: Callable[[str], None], team: Processes
) -> Session:
    """Start from the run's newest whole checkpoint or, where there is none, from the beginning.

    Every process of `team` opens the run; only the main one says how it stands. Raises `UserError`
    where the model cannot be loaded.
    """
    torch.manual_seed(settings.seed)
    tokenizer = Tokenizer.from_file(str(run.tokenizer))
    tokenizer.encode_special_tokens = True
    kept = team.agreed(checkpoint.newest(run, say) if team.main else None)
    with team.all_or_none():
        model = _model(settings, tokenizer, kept)
        torch.nn.Module.to(model, team.device)
        optimizers = build_optimizers(model, settings.weight_decay, _optimizer(settings))
        state = checkpoint.load_checkpoint(kept, optimizers) if kept else State()
    team.make_same(model)
    end = models.stated_end(model.config.eos_token_id, tokenizer)
    training = _windows(run.training, settings, model, end)
    plain_head = probe.has_plain_head(model)
    session = Session(
        run=run,
        settings=settings,
        model=model,
        tokenizer=tokenizer,
        end=end,
        optimizers=optimizers,
        training=training,
        validation=_windows(run.validation, settings, model, end),
        budget=_budget(settings, training.steps_per_epoch),
        state=state,
        team=team,
        micro_batch=min(settings.micro_batch or training.batch, -(-training.batch // team.count)),
        say=say,
        device=team.device,
        low_precision=low_precision(team.device),
        plain_head=plain_head,
        forward=_forward(model, training.length, team.device, settings, plain_head=plain_head),
    )
    if team.main:
        say(_description(session))
    return session


def _model(settings: Settings, tokenizer: Tokenizer, kept: Path | None) -> PreTrainedModel:
    """The model as the checkpoint has it, or as it is before the first step."""
    size, weights = models.fresh_size(settings.model), settings.weights or "fp32"
    if settings.lora:
        model = models.load_model(settings.model, settings.dropout, weights)
        lora.add_adapters(model, settings.lora, settings.dropout)
        if kept:
            lora.load_adapters(model, kept / lora.FOLDER)
    elif kept:
        model = models.load_model(str(kept), settings.dropout, weights)
    elif size:
        assert settings.context is not None  # noqa: S101 - filled in by prepare
        model = models.fresh_model(size, tokenizer, settings.context, settings.dropout)
    else:
        model = models.load_model(settings.model, settings.dropout, weights)
    if settings.gradient_checkpointing:
        if not model.supports_gradient_checkpointing:
            raise UserError(
                f"--gradient-checkpointing: {model.config.model_type!r} models cannot do that."
            )
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def _optimizer(settings: Settings) -> Kind:
    """The optimizer asked for; else Muon where everything is learnt anew, 8 bits beside bf16."""
    if settings.optimizer:
        return cast("Kind", settings.optimizer)
    if models.fresh_size(settings.model):
        return "muon"
    return "adamw8bit" if settings.weights == "bf16" and not settings.lora else "adamw"


def _windows(path: Path, settings: Settings, model: PreTrainedModel, end: int) -> Windows:
    assert settings.context is not None  # noqa: S101 - filled in by prepare
    assert settings.batch_size is not None  # noqa: S101 - filled in by prepare
    tokens = np.load(path, mmap_mode="r")
    length = min(settings.context, models.context_of(model.config), len(tokens) - 1)
    return Windows(tokens, length, settings.batch_size, end, settings.seed)


def _budget(settings: Settings, steps_per_epoch: int) -> Budget:
    if settings.epochs is not None:
        return Budget(steps=max(1, math.ceil(settings.epochs * steps_per_epoch)))
    return Budget(steps=settings.steps, minutes=settings.minutes)


def low_precision(device: torch.device) -> bool:
    """Whether this hardware multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _forward(
    model: PreTrainedModel,
    length: int,
    device: torch.device,
    settings: Settings,
    *,
    plain_head: bool,
) -> Callable[[Tensor, Tensor | None], Tensor]:
    """The function from token ids, and positions of packed rows, to what the loss is made of."""
    # Asked first: the attention put in its place knows nothing of positions, and is given masks.
    apart = probe.keeps_apart(model)
    masking = attention.use(model, length, device, models.attention_dropout(model.config))
    whole: Any = probe.body_of(model) if plain_head else model
    if settings.compile:
        whole = torch.compile(whole)

    def forward(ids: Tensor, positions: Tensor | None) -> Tensor:
        if positions is None or not apart:
            written = whole(ids, use_cache=False)
        else:
            places = attention.arguments(positions, masking(positions))
            written = whole(ids, use_cache=False, **places)
        return written.last_hidden_state if plain_head else written.logits

    return forward


def _description(session: Session) -> str:
    precision = "bfloat16" if session.low_precision else "float32"
    ends = f"{session.budget.steps:,} steps" if session.budget.steps else (
        f"{session.budget.minutes:g} minutes")  # fmt: skip
    several = f"{session.team.count} times " if session.team.count > 1 else ""
    begins = f", going on from step {session.state.step:,}" if session.state.step else ""
    return (
        f"{session.model.num_parameters():,} parameters in {precision} on {several}"
        f"{session.device.type} ({torch.get_num_threads()} threads), "
        f"{session.training.steps_per_epoch:,} steps an epoch, {ends} in all{begins}"
    )
