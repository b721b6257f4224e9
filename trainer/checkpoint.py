"""Checkpoints: Hugging Face directories that also hold all that exact resuming needs.

config.json model.safetensors tokenizer.json …   loads in transformers as it is
optimizer.safetensors                            optimizer state
adapter/                                         with LoRA, what learns, in PEFT's format
state.json                                       step, tokens, time, losses
manifest.json                                    sha256 of every file above
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from backends import UserError
from backends.durable import durable_directory
from trainer import lora
from trainer.optimizers import load_state, state_tensors
from trainer.runs import Run

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

MANIFEST = "manifest.json"


@dataclass
class State:
    """Where a run stands. Learning rate, data and random numbers follow from `step`."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    """Time spent training, over all sessions of the run."""
    train_loss: float | None = None
    val_loss: float | None = None
    best_val_loss: float | None = None
    best_step: int = 0
    unread_losses: list[float] = field(default_factory=list[float])
    """Losses of the steps since the last line of `metrics.jsonl`."""
    state: str = "training"
    """`training`, `stopped` (by a signal) or `finished`."""


def save_checkpoint(
    path: Path,
    model: "PreTrainedModel",
    tokenizer: "Tokenizer",
    end: int,
    optimizers: list[Optimizer],
    state: State,
) -> None:
    """Write a checkpoint that is there whole or not at all."""
    with durable_directory(path) as folder:
        # Servers such as `transformers serve` ignore a request's temperature without this.
        if model.generation_config is not None:
            model.generation_config.do_sample = True
        if lora.has_adapters(model):
            model.save_pretrained(folder, state_dict=lora.merged_weights(model))
            lora.save_adapters(model, folder / lora.FOLDER)
        else:
            model.save_pretrained(folder)
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(
            json.dumps(
                {
                    "tokenizer_class": "PreTrainedTokenizerFast",
                    "eos_token": tokenizer.id_to_token(end),
                }
            )
        )
        save_file(state_tensors(optimizers), folder / "optimizer.safetensors")
        (folder / "state.json").write_text(json.dumps(asdict(state), indent=2))
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        sums = {file.relative_to(folder).as_posix(): _sha256(file) for file in files}
        (folder / MANIFEST).write_text(json.dumps(sums, indent=2))


def verify_checkpoint(path: Path) -> None:
    """Raise `UserError` where a file of the checkpoint is missing or not as it was written."""
    try:
        sums = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        wrong = [name for name, value in sums.items() if _sha256(path / name) != value]
    except (OSError, ValueError) as exc:
        raise UserError(f"{path} is not a whole checkpoint: {exc}.") from exc
    if wrong:
        raise UserError(f"The checkpoint {path} is damaged: {wrong[0]} has changed.")


def newest(run: Run, say: Callable[[str], None]) -> Path | None:
    """The newest whole checkpoint of a run, `None` before its first; says which are damaged."""
    for path in (run.last, run.best):
        if path.exists():
            try:
                verify_checkpoint(path)
            except UserError as error:
                say(str(error))
            else:
                return path
    return None


def load_checkpoint(path: Path, optimizers: list[Optimizer]) -> State:
    """Restore the optimizers; the model is loaded from `path` as any other."""
    load_state(optimizers, load_file(path / "optimizer.safetensors"))
    state = read_state(path)
    state.state = "training"
    return state


def read_state(path: Path) -> State:
    """Where the run stood when the checkpoint `path` was written; raises `UserError`."""
    try:
        return State(**json.loads((path / "state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as exc:
        raise UserError(f"{path} is no checkpoint of this version of the trainer: {exc}.") from exc


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
