"""Runs as they lie on disk, for what only looks at them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.runs import Run
from trainer.settings import Settings, write_settings

STATE = {
    "step": 40,
    "tokens": 4000,
    "seconds": 90.0,
    "train_loss": 3.0,
    "val_loss": 3.5,
    "best_val_loss": 3.25,
    "best_step": 20,
    "unread_losses": [],
    "state": "finished",
}


def make_run(root: Path, name: str, state: dict[str, Any] | None = None, **settings: Any) -> Run:
    """A run without weights; `state` is written over `STATE`."""
    run = Run(root / name)
    run.last.mkdir(parents=True)
    run.validation.parent.mkdir()
    run.validation.write_bytes(b"tokens")
    write_settings(Settings("a.txt", "fresh:tiny", **settings), run.config)
    (run.last / "state.json").write_text(json.dumps(STATE | (state or {})))
    return run


def write_metrics(
    run: Run, losses: Sequence[tuple[float, float | None]], tokens: int = 100
) -> None:
    """Training and validation losses of every tenth step, at 1,000 tokens a minute."""
    rows = (
        {
            "step": 10 * place,
            "tokens": tokens * 10 * place,
            "train_loss": train_loss,
            "val_loss": val_loss,
            "lr": 0.001,
            "tokens_per_s": 1000 / 60,
        }
        for place, (train_loss, val_loss) in enumerate(losses, 1)
    )
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
