"""What a run leaves to look at while it trains: metrics, samples, curve, TensorBoard."""

import json
import math
import time
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType

from backends import UserError
from backends.durable import durable_file
from trainer.checkpoint import State
from trainer.curves import Curve, draw_picture, run_curves
from trainer.events import Events
from trainer.metrics import Row, read_metrics
from trainer.originality.measure import Originality
from trainer.progress import Progress
from trainer.runs import Run
from trainer.samples import Sample, with_copied, write_samples

REDRAW_S = 5
"""Seconds after which the terminal's curve is drawn anew without a validation."""


class Record:
    """Writes down and shows what one sitting measures; a picture that fails ends no training."""

    def __init__(self, run: Run, progress: Progress, step: int) -> None:
        """Go on with the record of `run` after `step`; raises `UserError` where it is damaged."""
        self._run, self._progress = run, progress
        self._rows = read_metrics(run)
        self._drawn = -math.inf
        self._events = Events(run.events, step, progress.say)

    def __enter__(self) -> "Record":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.close()

    def row(self, state: State, *, share: float, lr: float, speed: float) -> None:
        """Note what a logging step measured; a validation draws the picture anew.

        All is in the files when this returns, so a checkpoint made after it has no gap before it.
        """
        record = {
            "step": state.step,
            "tokens": state.tokens,
            "train_loss": state.train_loss,
            "val_loss": state.val_loss,
            "lr": lr,
            "tokens_per_s": round(speed, 1),
        }
        with self._run.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._events.row(state, lr, speed)
        self._progress.update(state, share=share, lr=lr, speed=speed)
        assert state.train_loss is not None  # noqa: S101 - a row is a reading of it
        minutes = state.seconds / 60
        self._rows.append(Row(state.step, state.tokens, minutes, state.train_loss, state.val_loss))
        self._draw(measured=state.val_loss is not None)

    def samples(self, step: int, texts: Sequence[str]) -> None:
        """Note and show texts that the model wrote, each with its longest copied run."""
        samples: list[Sample] = [{"step": step, "text": text} for text in texts]
        if originality := self._originality:
            samples = [with_copied(sample, originality) for sample in samples]
        write_samples(self._run, samples)
        self._events.samples(step, texts)
        for sample in samples:
            self._progress.sample(sample)

    @cached_property
    def _originality(self) -> Originality | None:
        """The training texts' index, made at the first samples; `None` where they are unusable."""
        try:
            return Originality.of(self._run)
        except UserError as error:
            self._progress.say(f"Copied runs are not measured: {error}")
            return None

    def _draw(self, *, measured: bool) -> None:
        now = time.monotonic()
        if measured or now - self._drawn >= REDRAW_S:
            curves = run_curves(self._rows)
            self._progress.draw(curves)
            self._drawn = now
            if measured:
                self._picture(curves)

    def _picture(self, curves: Sequence[Curve]) -> None:
        try:
            draw_picture(curves, "step", self._run.curve, self._run.name)
        except UserError as error:
            self._progress.say(str(error))


def forget_after(run: Run, step: int) -> None:
    """Drop lines of metrics and samples that a run killed after its last checkpoint wrote.

    Raises `UserError` where another line than the last is damaged.
    """
    for log in (run.metrics, run.samples):
        if log.exists():
            try:
                with log.open(encoding="utf-8") as file:
                    lines = list(file)
                whole = lines if not lines or lines[-1].endswith("\n") else lines[:-1]
                kept = [line for line in whole if json.loads(line)["step"] <= step]
            except (ValueError, KeyError, TypeError) as exc:
                raise UserError(f"{log} is damaged: move it away to go on without it.") from exc
            if kept != lines:
                with durable_file(log) as path:
                    path.write_text("".join(kept), encoding="utf-8")
