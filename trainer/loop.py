"""The training loop: from settings and token arrays to checkpoints, read from top to bottom."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from trainer.checkpoint import State, save_checkpoint
from trainer.loss import next_token_loss
from trainer.optimizers import clip_gradients, set_learning_rate
from trainer.schedule import Budget, learning_rate
from trainer.windows import Windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch.optim import Optimizer
    from transformers import GPT2LMHeadModel

    from trainer.progress import Progress
    from trainer.runs import Run

LOG_EVERY = 10
VALIDATION_TOKENS = 65_536
"""The most held-out tokens that one validation reads."""
SAMPLES = 3
SAMPLE_TOKENS = 100


@dataclass
class Session:
    """All that one sitting of training works with."""

    run: "Run"
    model: "GPT2LMHeadModel"
    tokenizer: "Tokenizer"
    end: int
    optimizers: "list[Optimizer]"
    training: Windows
    validation: Windows
    budget: Budget
    peak_lr: float
    prefix: str
    eval_every: int
    sample_every: int
    state: State
    device: torch.device
    low_precision: bool
    """Whether products are made in bfloat16."""
    hidden: Callable[[Tensor], Tensor]
    """Token ids (batch, length) to the last layer's output (batch, length, width)."""


def train(session: Session, progress: "Progress", stopping: Callable[[], bool]) -> State:
    """Train until the budget is spent or `stopping()` is true; the last checkpoint is then saved."""
    state, clock = session.state, _Clock(session.state.seconds)
    logged_step, logged_at, losses = state.step, clock.seconds, []
    session.model.train()
    while (share := session.budget.progress(state.step, clock.seconds)) < 1 and not stopping():
        lr = learning_rate(session.peak_lr, session.budget, state.step, share)
        losses.append(_step(session, lr))
        state.step += 1
        state.tokens += session.training.batch * session.training.length
        state.seconds = clock.seconds
        last = session.budget.progress(state.step, state.seconds) >= 1
        measured = state.step % session.eval_every == 0 or last
        if measured or state.step % LOG_EVERY == 0:
            state.train_loss = float(torch.stack(losses).mean())
            speed = (state.step - logged_step) * session.training.batch * session.training.length
            speed /= max(clock.seconds - logged_at, 1e-9)
            logged_step, logged_at, losses = state.step, clock.seconds, []
            if not math.isfinite(state.train_loss):
                raise FloatingPointError(state.step)
            state.val_loss = validate(session) if measured else None
            _log(session, lr, speed)
            progress.update(state, share=share, lr=lr, speed=speed)
        if measured:
            _keep(session)
        if state.step % session.sample_every == 0 or last:
            for text in sample(session):
                progress.sample(text)
    state.state = "stopped" if stopping() else "finished"
    _save(session, session.run.last)
    return state


@dataclass
class _Clock:
    """Seconds of training, this sitting's added to those before."""

    before: float

    def __post_init__(self) -> None:
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.started


def _step(session: Session, lr: float) -> Tensor:
    """One step of gradient descent; gives its loss, a scalar."""
    set_learning_rate(session.optimizers, lr)
    loss = _loss(session, *session.training.batch_at(session.state.step))
    loss.backward()
    clip_gradients(session.model)
    for optimizer in session.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def _loss(session: Session, inputs: np.ndarray, targets: np.ndarray) -> Tensor:
    device = session.device
    with torch.autocast(device.type, torch.bfloat16, enabled=session.low_precision):
        hidden = session.hidden(torch.from_numpy(inputs).to(device))
    if session.low_precision:
        hidden = hidden.to(torch.bfloat16)
    weight = session.model.get_output_embeddings().weight
    return next_token_loss(hidden, weight, torch.from_numpy(targets).to(device))


@torch.no_grad()
def validate(session: Session) -> float:
    """Mean loss in nats a token over the held-out windows."""
    session.model.eval()
    total, count = 0.0, 0
    for inputs, targets in session.validation.in_order():
        total += float(_loss(session, inputs, targets)) * inputs.size
        count += inputs.size
        if count >= VALIDATION_TOKENS:
            break
    session.model.train()
    return total / count


def _keep(session: Session) -> None:
    """Save `best` where the validation loss is the lowest so far, and `last` always."""
    state = session.state
    if state.best_val_loss is None or (state.val_loss or 0) < state.best_val_loss:
        state.best_val_loss, state.best_step = state.val_loss, state.step
        _save(session, session.run.best)
    _save(session, session.run.last)


def _save(session: Session, path: Path) -> None:
    save_checkpoint(path, session.model, session.tokenizer, session.optimizers, session.state)


def sample(session: Session) -> list[str]:
    """A few texts from the model as it is now, also written to `samples.jsonl`."""
    ids = [session.end, *session.tokenizer.encode(session.prefix).ids]
    room = session.model.config.n_positions - len(ids)
    session.model.eval()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(session.state.step)
        written = session.model.generate(
            torch.tensor([ids] * SAMPLES, device=session.device),
            attention_mask=torch.ones(SAMPLES, len(ids), device=session.device, dtype=torch.long),
            max_new_tokens=max(1, min(SAMPLE_TOKENS, room)),
            do_sample=True,
            temperature=0.7,
            top_k=0,
            top_p=0.95,
            pad_token_id=session.end,
        )
    session.model.train()
    texts = [session.tokenizer.decode(row.tolist()) for row in written]
    with session.run.samples.open("a", encoding="utf-8") as file:
        for text in texts:
            record = {"step": session.state.step, "text": text}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return texts


def _log(session: Session, lr: float, speed: float) -> None:
    state = session.state
    record = {
        "step": state.step,
        "tokens": state.tokens,
        "train_loss": state.train_loss,
        "val_loss": state.val_loss,
        "lr": lr,
        "tokens_per_s": round(speed, 1),
    }
    with session.run.metrics.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
