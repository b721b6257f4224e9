"""The training loop: from a session to checkpoints, read from top to bottom."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backends import UserError
from trainer import heap, models
from trainer.checkpoint import State, save_checkpoint
from trainer.loss import loss_of_logits, next_token_loss
from trainer.optimizers import clip_gradients, set_learning_rate
from trainer.record import Record
from trainer.schedule import learning_rate
from trainer.session import Session
from trainer.windows import Batch

LOG_EVERY = 10
VALIDATION_TOKENS = 65_536
"""The most held-out tokens that one validation reads."""
SAMPLES = 3
SAMPLE_TOKENS = 100


@contextmanager
def denormals_off() -> Generator[None]:
    """Treat the tiniest numbers as zero: computing with them is slow and changes nothing here.

    The switch is the thread's own, and what runs after the training expects it as it was.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@heap.kept()
@denormals_off()
def train(session: Session, record: Record, stopping: Callable[[], bool]) -> State:
    """Train until the budget is spent, nothing more is gained, or `stopping()`; then save `last`.

    Raises `UserError` where the loss is no longer a number.
    """
    state, settings, budget = session.state, session.settings, session.budget
    begun = time.monotonic() - state.seconds
    meter = _Meter(state)
    session.model.train()
    share = budget.progress(state.step, state.seconds)
    while share < 1 and not stopping() and not _stale(session):
        lr = learning_rate(session.peak_lr, budget, state.step, share)
        meter.add(_step(session, lr))
        state.step += 1
        state.seconds = time.monotonic() - begun
        share = budget.progress(state.step, state.seconds)
        measured = state.step % settings.eval_every == 0 or share >= 1
        if measured or state.step % LOG_EVERY == 0:
            speed = meter.read()
            state.val_loss = validate(session) if measured else None
            record.row(state, share=share, lr=lr, speed=speed)
        if measured:
            _keep(session)
        if state.step % settings.sample_every == 0 or share >= 1:
            record.samples(state.step, sample(session))
    state.state = "stopped" if share < 1 and stopping() else "finished"
    meter.pause()
    _save(session, session.run.last)
    return state


class _Meter:
    """Mean loss and speed since the last reading; a reading under way survives a stop."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._losses = [torch.tensor(loss) for loss in state.unread_losses]
        self._tokens, self._at = state.tokens, time.monotonic()

    def add(self, loss: Tensor) -> None:
        """Note a step's loss; it is not looked at yet, so a GPU need not be waited for."""
        self._losses.append(loss)

    def read(self) -> float:
        """Set the state's training loss and return tokens per second."""
        state, now = self._state, time.monotonic()
        state.train_loss = float(torch.stack(self._losses).mean())
        if not math.isfinite(state.train_loss):
            raise UserError(
                f"The loss is no longer a number at step {state.step:,}: try again with a lower "
                "--lr. The checkpoints made so far are kept."
            )
        speed = (state.tokens - self._tokens) / max(now - self._at, 1e-9)
        self._losses, self._tokens, self._at = [], state.tokens, now
        return speed

    def pause(self) -> None:
        """Put losses not read yet into the state."""
        self._state.unread_losses = [float(loss) for loss in self._losses]


def _stale(session: Session) -> bool:
    """Whether `patience` validations in a row brought no lower loss."""
    state, settings = session.state, session.settings
    since_best = (state.step - state.best_step) // settings.eval_every
    return settings.patience is not None and since_best >= settings.patience


def _step(session: Session, lr: float) -> Tensor:
    """One step of gradient descent; gives its loss, a scalar."""
    set_learning_rate(session.optimizers, lr)
    batch = session.training.batch_at(session.state.step)
    session.state.tokens += batch.count
    loss = _loss(session, batch)
    loss.backward()
    clip_gradients(session.model)
    for optimizer in session.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def _loss(session: Session, batch: Batch) -> Tensor:
    device = session.device

    def tensor(rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(rows).to(device)

    with torch.autocast(device.type, torch.bfloat16, enabled=session.low_precision):
        written = session.forward(
            tensor(batch.inputs), tensor(batch.positions) if batch.packed else None
        )
    if not session.plain_head:
        return loss_of_logits(written, tensor(batch.targets))
    if session.low_precision:
        written = written.to(torch.bfloat16)
    weight = session.model.get_output_embeddings().weight
    return next_token_loss(written, weight, tensor(batch.targets))


@torch.no_grad()
def validate(session: Session) -> float:
    """Mean loss in nats a token over the held-out documents, each read alone."""
    session.model.eval()
    total, count = 0.0, 0
    for batch in session.validation.once():
        total += float(_loss(session, batch)) * batch.count
        count += batch.count
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
    save_checkpoint(
        path, session.model, session.tokenizer, session.end, session.optimizers, session.state
    )


def sample(session: Session) -> list[str]:
    """A few texts from the model as it is now."""
    ids = [session.end, *session.tokenizer.encode(session.settings.prefix).ids]
    room = models.context_of(session.model.config) - len(ids)
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
    return [session.tokenizer.decode(row.tolist()) for row in written]
