"""Load or make all that one sitting of training works with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from torch import Tensor
from torch.optim import Optimizer
from transformers import GPT2LMHeadModel

from trainer import attention, checkpoint, models
from trainer.checkpoint import State
from trainer.optimizers import build_optimizers
from trainer.progress import Progress
from trainer.runs import Run
from trainer.schedule import Budget
from trainer.settings import Settings
from trainer.windows import Windows


@dataclass
class Session:
    """Everything the loop needs; `state` is what changes."""

    run: Run
    settings: Settings
    model: GPT2LMHeadModel
    tokenizer: Tokenizer
    end: int
    optimizers: list[Optimizer]
    training: Windows
    validation: Windows
    budget: Budget
    state: State
    device: torch.device
    low_precision: bool
    """Whether products are made in bfloat16."""
    hidden: Callable[[Tensor, Tensor | None], Tensor]
    """Ids and, of packed rows, positions (batch, length) to outputs (batch, length, width)."""

    @property
    def peak_lr(self) -> float:
        """The highest learning rate."""
        assert self.settings.lr is not None  # noqa: S101 - filled in by prepare
        return self.settings.lr


def open_session(
    settings: Settings, run: Run, progress: Progress, *, threads: int | None
) -> Session:
    """Start from the run's newest whole checkpoint or, where there is none, from the beginning.

    Raises `UserError` where the model cannot be loaded.
    """
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(settings.seed)
    # Its warning that a prompt ends with the end token is beside the point: texts begin with it.
    transformers.logging.set_verbosity_error()
    tokenizer = Tokenizer.from_file(str(run.tokenizer))
    tokenizer.encode_special_tokens = True
    kept = checkpoint.newest(run, progress.say)
    model = _model(settings, tokenizer, kept)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.nn.Module.to(model, device)
    fresh = models.fresh_size(settings.model) is not None
    optimizers = build_optimizers(model, settings.weight_decay, fresh=fresh)
    state = checkpoint.load_checkpoint(kept, optimizers) if kept else State()
    training = _windows(run.training, settings, model, tokenizer)
    session = Session(
        run=run,
        settings=settings,
        model=model,
        tokenizer=tokenizer,
        end=training.end,
        optimizers=optimizers,
        training=training,
        validation=_windows(run.validation, settings, model, tokenizer),
        budget=_budget(settings, training.steps_per_epoch),
        state=state,
        device=device,
        low_precision=_low_precision(device),
        hidden=_hidden(model, training.length, device, compiled=settings.compile),
    )
    progress.say(_description(session))
    return session


def _model(settings: Settings, tokenizer: Tokenizer, kept: Path | None) -> GPT2LMHeadModel:
    size = models.fresh_size(settings.model)
    if kept:
        return models.load_model(str(kept), settings.dropout)
    if size:
        assert settings.context is not None  # noqa: S101 - filled in by prepare
        return models.fresh_model(size, tokenizer, settings.context, settings.dropout)
    return models.load_model(settings.model, settings.dropout)


def _windows(
    path: Path, settings: Settings, model: GPT2LMHeadModel, tokenizer: Tokenizer
) -> Windows:
    assert settings.context is not None  # noqa: S101 - filled in by prepare
    assert settings.batch_size is not None  # noqa: S101 - filled in by prepare
    tokens = np.load(path, mmap_mode="r")
    length = min(settings.context, model.config.n_positions, len(tokens) - 1)
    return Windows(
        tokens, length, settings.batch_size, models.end_token(tokenizer), settings.seed
    )  # fmt: skip


def _budget(settings: Settings, steps_per_epoch: int) -> Budget:
    if settings.epochs is not None:
        return Budget(steps=max(1, math.ceil(settings.epochs * steps_per_epoch)))
    return Budget(steps=settings.steps, minutes=settings.minutes)


def _low_precision(device: torch.device) -> bool:
    """Whether this hardware multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _hidden(
    model: GPT2LMHeadModel, length: int, device: torch.device, *, compiled: bool
) -> Callable[[Tensor, Tensor | None], Tensor]:
    """The function from token ids, and positions of packed rows, to the last layer's output."""
    masking = attention.use(model, length, device, model.config.attn_pdrop)
    body: Any = model.transformer
    if compiled:
        body = torch.compile(body)

    def hidden(ids: Tensor, positions: Tensor | None) -> Tensor:
        mask = None if positions is None else masking(positions)
        written = body(ids, attention_mask=mask, position_ids=positions, use_cache=False)
        return written.last_hidden_state

    return hidden


def _description(session: Session) -> str:
    precision = "bfloat16" if session.low_precision else "float32"
    ends = f"{session.budget.steps:,} steps" if session.budget.steps else (
        f"{session.budget.minutes:g} minutes")  # fmt: skip
    begins = f", going on from step {session.state.step:,}" if session.state.step else ""
    return (
        f"{session.model.num_parameters():,} parameters in {precision} on {session.device.type} "
        f"({torch.get_num_threads()} threads), {session.training.steps_per_epoch:,} steps an "
        f"epoch, {ends} in all{begins}"
    )
