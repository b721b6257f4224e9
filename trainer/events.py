"""TensorBoard's event files of a run, looked at with `tensorboard --logdir runs`."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainer.checkpoint import State


class Events:
    """Writes losses, speed and samples for TensorBoard, one file a sitting.

    TensorBoard's own writer has a thread and a queue, and a traceback where the disk is full. Here
    all is written at once: what a checkpoint knows is in the file, and where the file can no
    longer be written that is said, and training goes on without it.
    """

    def __init__(self, folder: Path, step: int, say: Callable[[str], None]) -> None:
        """Begin a file in `folder` that goes on after `step`.

        What a sitting that was killed wrote for later steps is hidden by TensorBoard from then on
        (`SessionLog.START`; torch's `SummaryWriter` calls it `purge_step`).
        """
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._say = say
        messages: Any = event_pb2  # its classes are made at run time
        self._event = messages.Event
        self._file: Any = None
        try:
            folder.mkdir(exist_ok=True)
            # Read in the order of their names; only "tfevents" must be in them.
            name = f"events.out.tfevents.{time.time_ns():020d}.{os.getpid()}"
            self._file = (folder / name).open("xb", buffering=0)
        except OSError as error:
            self._give_up(error)
            return
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        start = messages.SessionLog(status=messages.SessionLog.START)
        self._write(step=step + 1, session_log=start)

    def row(self, state: State, lr: float, speed: float) -> None:
        """Add what one logging step measured."""
        from torch.utils.tensorboard.summary import scalar

        values = {
            "loss/training": state.train_loss,
            "loss/validation": state.val_loss,
            "learning_rate": lr,
            "tokens_per_s": speed,
        }
        for name, value in values.items():
            if value is not None:
                self._write(step=state.step, summary=scalar(name, value))

    def samples(self, step: int, texts: Sequence[str]) -> None:
        """Add texts that the model wrote, as code: TensorBoard shows text as Markdown."""
        from torch.utils.tensorboard.summary import text

        quoted = ("    " + written.replace("\n", "\n    ") for written in texts)
        self._write(step=step, summary=text("samples", "\n\n---\n\n".join(quoted)))

    def close(self) -> None:
        """Write nothing more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, **fields: Any) -> None:
        if self._file is None:
            return
        event = self._event(wall_time=time.time(), **fields)
        try:
            self._records.write(event.SerializeToString())
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._file = None
        self._say(f"Nothing more is written for TensorBoard: {error}.")
