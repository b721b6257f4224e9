import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM

from backends import BackendError
from backends.hugging_face.decoder import Decoder, enough_memory


def decoder(checkpoint: Path) -> Decoder:
    return Decoder(AutoModelForCausalLM.from_pretrained(checkpoint), "tiny")


def test_each_step_asks_with_the_logits_behind_what_was_chosen(gpt2: Path):
    asked: list[NDArray[np.float32]] = []
    chosen = [7, 300, 0, 9]  # the end token among them: ending is for who chooses

    def choose(logits: NDArray[np.float32]) -> int | None:
        asked.append(logits.copy())
        logits[:] = 0  # it may overwrite them
        return chosen[len(asked) - 1] if len(asked) <= len(chosen) else None

    decoder(gpt2).run([5, 6], 50, choose)
    reference = AutoModelForCausalLM.from_pretrained(gpt2)
    with torch.no_grad():
        expected = reference(torch.tensor([[5, 6, *chosen]])).logits[0, 1:].numpy()
    np.testing.assert_allclose(np.concatenate(asked), expected, atol=1e-4)


def test_it_asks_no_more_often_than_the_limit(gpt2: Path):
    steps: list[int] = []

    def choose(_: NDArray[np.float32]) -> int:
        steps.append(1)
        return 5

    decoder(gpt2).run([5], 3, choose)
    assert len(steps) == 3


def test_what_a_step_held_is_let_go_where_a_gpus_memory_runs_out():
    held: list[weakref.ref[torch.Tensor]] = []

    def step() -> None:
        tensor = torch.zeros(3)
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(BackendError, match="The GPU's memory is too small"), enough_memory("tiny"):
        step()
    assert held[0]() is None
