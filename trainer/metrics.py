"""What `metrics.jsonl` says: the losses of a run, a row for each logging step."""

from dataclasses import dataclass

from backends import UserError
from trainer.run_files import read_objects
from trainer.runs import Run


@dataclass(frozen=True)
class Row:
    """Where a run stood at one logging step."""

    step: int
    tokens: int
    """Tokens trained on so far."""
    minutes: float
    """Time spent so far, validations and checkpoints included."""
    train_loss: float
    """Mean in nats a token over the steps since the row before."""
    val_loss: float | None
    """Nats a token on held-out text; only some steps measure it."""


def read_metrics(run: Run) -> list[Row]:
    """All rows in order, none before the first; raises `UserError` where the file is damaged."""
    rows: list[Row] = []
    minutes, tokens = 0.0, 0
    try:
        for record in read_objects(run.metrics):
            # The speed was taken since the row before, so it gives the time between them.
            minutes += (record["tokens"] - tokens) / max(record["tokens_per_s"], 1e-9) / 60
            tokens, measured = int(record["tokens"]), record["val_loss"]
            train_loss = float(record["train_loss"])
            val_loss = None if measured is None else float(measured)
            rows.append(Row(int(record["step"]), tokens, minutes, train_loss, val_loss))
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise UserError(f"{run.metrics} is damaged in line {len(rows) + 1}: {exc!r}.") from exc
    return rows
