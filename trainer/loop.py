"""The training loop: from a session to checkpoints, read from top to bottom."""

import math
import time
from collections.abc import Callable, Generator, Iterator
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
from trainer.out_of_memory import ADVICE, until_it_fits
from trainer.record import Record
from trainer.schedule import learning_rate
from trainer.seeds import seed_step
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
def train(session: Session, record: Record | None, stopping: Callable[[], bool]) -> State:
    """Train until the budget is spent, nothing more is gained, or `stopping()`; then save `last`.

    Only the main process has a `record`. Raises `UserError` where the loss is no longer a number or
    memory is short even for one window.
    """
    state, settings, budget, team = session.state, session.settings, session.budget, session.team
    begun = time.monotonic() - state.seconds
    meter = _Meter(session)
    session.model.train()
    share, stopped = team.agreed(budget.progress(state.step, state.seconds)), False
    while share < 1 and not (stopped := team.anyone(stopping())) and not _stale(session):
        lr = learning_rate(session.peak_lr, budget, state.step, share)
        meter.add(_step(session, lr))
        state.step += 1
        state.seconds = time.monotonic() - begun
        share = team.agreed(budget.progress(state.step, state.seconds))
        measured = state.step % session.eval_every == 0 or share >= 1
        if measured or state.step % LOG_EVERY == 0:
            speed = meter.read()
            state.val_loss = validate(session) if measured else None
            if record:
                record.row(state, share=share, lr=lr, speed=speed)
        if measured:
            _keep(session)
        if record and (state.step % settings.sample_every == 0 or share >= 1):
            record.samples(state.step, sample(session))
    state.state = "stopped" if stopped else "finished"
    meter.pause()
    _save(session, session.run.last)
    return state


class _Meter:
    """Mean loss and speed since the last reading; a reading under way survives a stop."""

    def __init__(self, session: Session) -> None:
        self._state, self._team = session.state, session.team
        # Of what a step lost, each process knows its own rows' part.
        share = 1.0 if self._team.main else 0.0
        self._losses = [
            torch.tensor(share * loss, device=session.device) for loss in self._state.unread_losses
        ]
        self._tokens, self._at = self._state.tokens, time.monotonic()

    def add(self, loss: Tensor) -> None:
        """Note a step's loss; it is not looked at yet, so a GPU need not be waited for."""
        self._losses.append(loss)

    def read(self) -> float:
        """Set the state's training loss and return tokens per second."""
        state, now = self._state, time.monotonic()
        state.train_loss = float(self._of_all().mean())
        if not math.isfinite(state.train_loss):
            self._team.fail(
                f"The loss is no longer a number at step {state.step:,}: try again with a lower "
                "--lr. The checkpoints made so far are kept."
            )
        speed = (state.tokens - self._tokens) / max(now - self._at, 1e-9)
        self._losses, self._tokens, self._at = [], state.tokens, now
        return speed

    def pause(self) -> None:
        """Put losses not read yet into the state."""
        self._state.unread_losses = self._of_all().tolist() if self._losses else []

    def _of_all(self) -> Tensor:
        return self._team.total(torch.stack(self._losses))


def _stale(session: Session) -> bool:
    """Whether `patience` validations in a row brought no lower loss."""
    state, settings = session.state, session.settings
    since_best = (state.step - state.best_step) // session.eval_every
    return 0 < settings.patience <= since_best


def step_once(session: Session, lr: float) -> float:
    """One step outside of a training; gives its loss."""
    loss = float(_step(session, lr))
    session.state.step += 1
    return loss


def _step(session: Session, lr: float) -> Tensor:
    """One step of gradient descent; gives its loss, a scalar: what this process's rows add to it.

    The rows depend on the step alone. Which process finds their gradients, and in how many parts,
    changes them by no more than rounding.
    """
    seed, step = session.settings.seed, session.state.step
    set_learning_rate(session.optimizers, lr)
    batch = session.training.batch_at(step)
    session.state.tokens += batch.count
    loss = _until_it_fits(session, lambda: _gradients(session, batch))
    session.team.add_gradients(session.model)
    clip_gradients(session.model)
    seed_step(seed, step)
    for optimizer in session.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss


def _gradients(session: Session, batch: Batch) -> Tensor:
    """Leave this process's part of the gradients in the model; gives its part of the mean loss."""
    seed_step(session.settings.seed, session.state.step, session.team.rank)
    total = torch.zeros((), device=session.device)
    for part in _parts(session, batch):
        loss = _loss(session, part) * (part.count / batch.count)
        loss.backward()
        total += loss.detach()
    return total


def _parts(session: Session, batch: Batch) -> Iterator[Batch]:
    """Its own rows of this process, as many at a time as go through the model together."""
    mine, size = session.team.share(batch), session.micro_batch
    return (mine[first : first + size] for first in range(0, len(mine), size))


def _until_it_fits(session: Session, work: Callable[[], Tensor]) -> Tensor:
    """Do `work`, with half the micro-batch again and again where memory runs out."""

    def smaller() -> None:
        session.model.zero_grad(set_to_none=True)
        if session.micro_batch == 1:
            raise UserError(f"There is not enough memory for even one window at a time: {ADVICE}")
        session.micro_batch //= 2
        session.say(f"Out of memory: going on with micro-batches of {session.micro_batch:,}.")

    return until_it_fits(work, smaller)


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
    total, count = torch.zeros((), dtype=torch.float64), 0
    for batch in session.validation.once():
        total += _until_it_fits(session, lambda batch=batch: _summed(session, batch))
        count += batch.count
        if count >= VALIDATION_TOKENS:
            break
    session.model.train()
    return float(session.team.total(total)) / count


def _summed(session: Session, batch: Batch) -> Tensor:
    """The loss of this process's rows, in nats, a scalar."""
    losses = [float(_loss(session, part)) * part.count for part in _parts(session, batch)]
    return torch.tensor(sum(losses), dtype=torch.float64)


def _keep(session: Session) -> None:
    """Save `best` where the validation loss is the lowest so far, and `last` always."""
    state = session.state
    if state.best_val_loss is None or (state.val_loss or 0) < state.best_val_loss:
        state.best_val_loss, state.best_step = state.val_loss, state.step
        _save(session, session.run.best)
    _save(session, session.run.last)


def _save(session: Session, path: Path) -> None:
    if session.team.main:
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
