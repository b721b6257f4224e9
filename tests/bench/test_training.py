import json

import numpy as np
import pytest
import torch

from bench import __main__ as command
from bench.training_sides import as_examples
from bench.training_texts import BOOK, TITLES, texts
from trainer.windows import IGNORED, Windows


def test_both_sides_are_measured_and_a_row_is_written(tmp_path, capsys):
    target = tmp_path / "rows.jsonl"
    given = ["trainer", "--shape", "tiny", "--rounds", "2", "--json", str(target)]
    assert command.main(given) == 0
    [row] = map(json.loads, target.read_text().splitlines())
    assert (row["engine"], row["against"]) == ("tiny, titles", "transformers Trainer")
    assert 0 < row["spread"][0] <= row["ratio"] <= row["spread"][1]
    if not torch.cuda.is_available():
        assert "GPU: not measured: no GPU" in capsys.readouterr().out


@pytest.mark.parametrize(("mean", "ends"), [(TITLES, 30), (BOOK, 2)])
def test_texts_are_as_long_as_they_are_asked_to_be(mean: int, ends: int):
    tokens = texts(1000, mean, vocabulary=50)
    assert tokens[0] == tokens[-1] == 49
    assert np.count_nonzero(tokens == 49) >= ends
    assert (np.count_nonzero(tokens == 49) == 2) == (mean == BOOK)


def test_transformers_gets_the_same_tokens_to_learn_but_for_a_rows_last():
    windows = Windows(texts(500, 8, 50), 64, 4, 49, seed=0)  # none longer than a row
    batch = windows.batch_at(0)
    for example, inputs, targets in zip(
        as_examples(batch), batch.inputs, batch.targets, strict=True
    ):
        assert example["input_ids"].tolist() == inputs.tolist()
        shifted = example["labels"][1:]  # what transformers compares the logits before it with
        assert shifted.tolist() == targets[:-1].tolist()
        learnt = example["labels"] != IGNORED
        assert learnt.any()
        assert (example["labels"] == example["input_ids"])[learnt].all()
