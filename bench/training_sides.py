"""The two sides of the comparison of training speed: our loop, and transformers' Trainer."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    GPT2LMHeadModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from trainer.loop import train
from trainer.processes import together
from trainer.progress import Progress
from trainer.record import Record
from trainer.runs import Run
from trainer.session import open_session
from trainer.settings import Settings
from trainer.windows import Batch, Windows

WARM_UP = 1
"""Steps of each round that are not timed."""
LR, WEIGHT_DECAY = 1e-4, 0.1
ENDLESS = 1_000_000


class Ours:
    """A run as `finetune` makes it, its data written by hand."""

    name = "chinwag"

    def __init__(
        self, checkpoint: Path, tokens: NDArray[np.int64], length: int, rows: int, scratch: Path
    ) -> None:
        run = Run(scratch / "run")
        run.training.parent.mkdir(parents=True)
        for path in (run.training, run.validation):
            np.save(path, tokens)
        run.tokenizer.write_bytes((checkpoint / "tokenizer.json").read_bytes())
        settings = Settings(
            data="", model=str(checkpoint), steps=ENDLESS, batch_size=rows, context=length, lr=LR,
            weight_decay=WEIGHT_DECAY, eval_every=ENDLESS, sample_every=ENDLESS,
            compile=torch.cuda.is_available(),
        )  # fmt: skip
        self._run, self._progress = run, Progress()
        with together() as team:
            self._session = open_session(settings, run, self._progress.say, team)

    @property
    def windows(self) -> Windows:
        """The rows that are learnt."""
        return self._session.training

    @property
    def bf16(self) -> bool:
        """Whether products are made in bfloat16; the loop chooses."""
        return self._session.low_precision

    def speed(self, steps: int) -> float:
        """Train so many steps; returns tokens/s."""
        marks: list[float] = []

        def stopping() -> bool:
            marks.append(_now())
            return len(marks) > WARM_UP + steps

        with Record(self._run, self._progress, self._session.state.step) as record:
            train(self._session, record, stopping)
        seconds = marks[WARM_UP + steps] - marks[WARM_UP]
        return steps * self.windows.tokens_per_step / seconds


class Theirs:
    """`Trainer` as its documentation shows it, with our rows and positions."""

    name = "transformers Trainer"

    def __init__(self, checkpoint: Path, windows: Windows, scratch: Path, *, bf16: bool) -> None:
        self._model: Any = GPT2LMHeadModel.from_pretrained(
            checkpoint, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0
        )
        self._windows, self._scratch, self._bf16 = windows, scratch, bf16
        self._rows = [row for batch in windows.once() for row in as_examples(batch)]

    def speed(self, steps: int) -> float:
        """Train so many steps; returns tokens/s."""
        clock = _Clock()
        cpu = not torch.cuda.is_available()
        arguments = TrainingArguments(
            output_dir=str(self._scratch / "trainer"), max_steps=WARM_UP + steps,
            per_device_train_batch_size=self._windows.batch, bf16=self._bf16, use_cpu=cpu,
            torch_compile=not cpu, optim="adamw_torch_fused", learning_rate=LR,
            weight_decay=WEIGHT_DECAY, adam_beta2=0.95, save_strategy="no", report_to=[],
            disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        data: Any = self._rows
        trainer = Trainer(self._model, arguments, train_dataset=data, callbacks=[clock])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        seconds = clock.marks[WARM_UP + steps - 1] - clock.marks[WARM_UP - 1]
        return steps * self._windows.tokens_per_step / seconds


class _Clock(TrainerCallback):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.marks.append(_now())


def as_examples(batch: Batch) -> list[dict[str, torch.Tensor]]:
    """Rows as transformers wants them: a label stands where its token does, and is not shifted."""
    labels = np.full_like(batch.targets, -100)
    labels[:, 1:] = batch.targets[:, :-1]
    examples: list[dict[str, torch.Tensor]] = []
    for inputs, positions, wanted in zip(batch.inputs, batch.positions, labels, strict=True):
        example = {"input_ids": torch.from_numpy(inputs), "labels": torch.from_numpy(wanted)}
        if batch.packed:  # transformers makes each text's mask from its positions
            example["position_ids"] = torch.from_numpy(positions)
        examples.append(example)
    return examples


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
