from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.models import tiny_checkpoint, tiny_llama
from trainer import loop, models, session
from trainer.memory import Shape, shape_of
from trainer.plan import LADDER, Technique, choose, flops_per_token, memory
from trainer.prepare import prepare
from trainer.processes import together
from trainer.progress import Progress
from trainer.runs import Run
from trainer.settings import Settings

GPT2: dict[str, Any] = {"layers": 4, "width": 256, "context": 128}
LLAMA: dict[str, Any] = {"num_hidden_layers": 4, "hidden_size": 256, "max_position_embeddings": 128}


def most_allocated(settings: Settings, folder: Path) -> int:
    """The bytes of tensors that were there at one time while a model was loaded and trained."""
    run = Run(folder / "runs" / "ask")
    settings = prepare(settings, run, Progress())
    with (
        together() as team,
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen,
    ):
        training = session.open_session(settings, run, lambda _: None, team)
        training.model.train()
        for _ in range(2):
            loop._step(training, 1e-4)
            training.state.step += 1
    now = most = 0
    events: Any = seen.profiler
    for event in events.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


@pytest.mark.parametrize(
    ("family", "technique"),
    [
        ("gpt2", Technique("adamw")),
        ("gpt2", Technique("adamw", checkpointing=True)),
        ("gpt2", Technique("adamw8bit")),
        ("gpt2", Technique("adamw8bit", weights="bf16")),
        ("gpt2", Technique("adamw", rank=8)),
        ("llama", Technique("adamw")),
        ("llama", Technique("adamw", checkpointing=True, weights="bf16", rank=8)),
    ],
    ids=str,
)
def test_a_plan_is_within_a_quarter_of_what_training_allocates(
    family: str, technique: Technique, tmp_path: Path
):
    base = tmp_path / "base"
    _ = tiny_checkpoint(base, **GPT2) if family == "gpt2" else tiny_llama(base, **LLAMA)
    texts = (f"What would you do with {n} cats and {n + 1} dogs?" for n in range(900))
    (tmp_path / "titles.txt").write_text("\n".join(texts))
    settings = Settings(
        data=str(tmp_path / "titles.txt"), model=str(base), context=128, batch_size=16, steps=2,
        optimizer=technique.optimizer, gradient_checkpointing=technique.checkpointing,
        weights=technique.weights, lora=technique.rank,
    )  # fmt: skip
    low = session.low_precision(torch.device("cpu"))
    shape = shape_of(
        models.config_to_plan(str(base), 0, 0, 0.0), context=128, low_precision=low,
        weights=technique.weights, rank=technique.rank,
    )  # fmt: skip
    planned = memory(shape, technique, 16, 128, low_precision=low, accumulating=False)
    measured = most_allocated(settings, tmp_path)
    assert planned.peak == pytest.approx(measured, rel=0.25)


def shape(technique: Technique) -> Shape:
    config = models.config_to_plan("1558M", 0, 1024, 0.0)
    return shape_of(
        config, context=1024, low_precision=True, weights=technique.weights,
        rank=technique.rank, on_gpu=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shapes() -> dict[Technique, Shape]:
    return {technique: shape(technique) for technique in LADDER}


def test_openais_sizes_are_counted_without_the_hub(shapes: dict[Technique, Shape]):
    assert shapes[LADDER[0]].parameters == 1_557_611_200
    for name, parameters in (("124M", 124_439_808), ("355M", 354_823_168)):
        config = models.config_to_plan(name, 0, 1024, 0.0)
        assert shape_of(config, context=64, low_precision=True).parameters == parameters


def test_more_memory_never_asks_for_a_later_technique(shapes: dict[Technique, Shape]):
    plans = [
        choose(LADDER, shapes.__getitem__, 8, 1024, gigabytes * 10**9, low_precision=True)
        for gigabytes in (4, 8, 16, 24, 48, 80)
    ]
    chosen = [LADDER.index(plan.technique) for plan in plans]
    assert chosen == sorted(chosen, reverse=True)
    assert [plan.fits for plan in plans] == [False, True, True, True, True, True]
    assert plans[1].technique.rank > 0
    assert plans[2].technique == LADDER[3], "1558M is finetuned whole in 16 GB"
    assert plans[-1].technique == LADDER[0]
    for plan, gigabytes in zip(plans[1:], (8, 16, 24, 48, 80), strict=True):
        assert plan.memory.peak < gigabytes * 1e9


def test_a_smaller_micro_batch_is_tried_before_another_technique(shapes: dict[Technique, Shape]):
    def planned(available: float):
        return choose(
            LADDER, shapes.__getitem__, 8, 1024, round(available), low_precision=True
        )  # fmt: skip

    whole = planned(200e9)
    assert (whole.micro_batch, whole.technique) == (8, LADDER[0])
    less = planned(0.98 * whole.memory.peak / 0.9)
    assert (less.micro_batch, less.technique) == (4, LADDER[0])


def test_work_follows_from_what_a_token_is_multiplied_by(shapes: dict[Technique, Shape]):
    full, again, *_, lora = (flops_per_token(shapes[one], one, 1024) for one in LADDER)
    assert full == pytest.approx(6 * 1.556e9 + 12 * 48 * 1600 * 1024, rel=0.01)
    assert again == pytest.approx(full * 4 / 3, rel=0.001)
    assert lora < again
