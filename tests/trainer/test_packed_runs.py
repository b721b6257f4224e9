"""What a whole run makes of packed rows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel

from trainer import models
from trainer.cli import main
from trainer.metrics import read_metrics
from trainer.runs import Run
from trainer.windows import stretches

TITLES = [f"{ask} is {n} {what}?" for ask in ("What", "Why") for n in range(40) for what in "ab"]


def test_the_loss_of_a_run_is_that_of_each_held_out_text_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    small = models.Size(layers=2, heads=2, width=32, vocabulary=300, lr=0.01)
    monkeypatch.setitem(models.SIZES, "nano", small)
    Path("titles.txt").write_text("\n".join(TITLES), encoding="utf-8")
    words = ["--run", "r", "--context", "64", "--batch-size", "8", "--steps", "20"]
    asked = ["finetune", "titles.txt", "--model", "fresh:nano", "--val-fraction", "0.2", *words]
    assert main([*asked, "--threads", "1", "--no-export"]) == 0
    run = Run(Path("runs/r"))
    model = GPT2LMHeadModel.from_pretrained(run.last)
    total, count = 0.0, 0
    with torch.no_grad():
        for inputs, targets in stretches(np.load(run.validation), 64, end=0):
            logits = model(torch.from_numpy(inputs)[None]).logits[0]
            wanted = torch.from_numpy(targets)
            total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            count += len(targets)
    stated = read_metrics(run)[-1].val_loss
    assert stated == pytest.approx(total / count, rel=0.01)  # products in bfloat16
