"""The plan of a run as a model maker reads it, and the settings that follow from it."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from backends import UserError
from trainer import eight_bit, models
from trainer.duration import duration
from trainer.memory import Shape, shape_of
from trainer.plan import FRESH_LADDER, LADDER, Plan, Technique, choose, flops_per_token
from trainer.prepare import PRETRAINED_EPOCHS, prepare
from trainer.progress import Progress
from trainer.runs import Run
from trainer.session import low_precision
from trainer.settings import Settings

EFFICIENCY = 0.4
"""The share of a plain product's speed that training reaches, roughly."""


def plan_run(
    settings: Settings, run: Run, memory_gb: float | None, say: Callable[[str], None]
) -> Settings:
    """Say what a prepared run needs; gives the settings with the technique that fits.

    With `memory_gb` the plan is for a GPU with that much. Raises `UserError` where nothing fits.
    """
    plan = _plan(settings, run, memory_gb)
    for line in _lines(plan, settings, run, memory_gb):
        say(line)
    if not plan.fits:
        raise UserError(
            f"It needs {_bytes(plan.memory.peak)} and does not fit: take a smaller --model or "
            "--context, or --lora. --memory-gb gives the trainer more room than it found."
        )
    chosen = plan.technique
    guessed = settings.lr == models.usual_lr(settings.model, None) and not settings.lora
    return replace(
        settings,
        optimizer=chosen.optimizer,
        gradient_checkpointing=chosen.checkpointing,
        weights=chosen.weights,
        lora=chosen.rank,
        micro_batch=settings.micro_batch or plan.micro_batch,
        lr=models.usual_lr(settings.model, chosen.rank) if guessed else settings.lr,
    )


def show_plan(settings: Settings, memory_gb: float | None) -> None:
    """Say what a run would need, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="plan-") as folder, Progress() as progress:
        run = Run(Path(folder) / "plan")
        plan_run(_prepared(settings, run, progress), run, memory_gb, progress.say)


def _prepared(settings: Settings, run: Run, progress: Progress) -> Settings:
    """Encode the data; for OpenAI's sizes without the hub with a tokenizer learnt from it."""
    try:
        return prepare(settings, run, progress)
    except UserError:
        if settings.model not in models.ALIASES:
            raise
    progress.say(
        f"The tokenizer of {settings.model} could not be fetched: tokens are counted with one "
        "learnt from the data, so roughly."
    )
    unbounded = settings.epochs is None and settings.steps is None and settings.minutes is None
    epochs = PRETRAINED_EPOCHS if unbounded else settings.epochs
    alike = replace(settings, model="fresh:large", epochs=epochs, lora=None, weights=None)
    counted = prepare(alike, run, progress)
    return replace(
        counted,
        model=settings.model,
        lora=settings.lora,
        weights=settings.weights,
        lr=settings.lr or models.usual_lr(settings.model, settings.lora),
    )


def _plan(settings: Settings, run: Run, memory_gb: float | None) -> Plan:
    assert settings.context is not None  # noqa: S101 - filled in by prepare
    assert settings.batch_size is not None  # noqa: S101 - filled in by prepare
    from tokenizers import Tokenizer

    on_gpu = memory_gb is not None or torch.cuda.is_available()
    low = memory_gb is not None or low_precision(_device())
    vocabulary = Tokenizer.from_file(str(run.tokenizer)).get_vocab_size()
    config = models.config_to_plan(settings.model, vocabulary, settings.context, settings.dropout)
    context = min(settings.context, models.context_of(config))

    @lru_cache
    def counted(weights: str, rank: int) -> Shape:
        return shape_of(
            config, context=context, low_precision=low, weights=weights, rank=rank, on_gpu=on_gpu
        )

    return choose(
        techniques(settings),
        lambda technique: counted(technique.weights, technique.rank),
        settings.micro_batch or settings.batch_size,
        context,
        round(memory_gb * 1e9) if memory_gb else _free(),
        low_precision=low,
    )


def techniques(settings: Settings) -> list[Technique]:
    """What may be tried: all that agrees with what was asked for, that first."""
    fresh = models.fresh_size(settings.model) is not None
    ladder = FRESH_LADDER if fresh else LADDER
    asked = {
        "optimizer": settings.optimizer,
        "checkpointing": settings.gradient_checkpointing,
        "weights": settings.weights,
        "rank": settings.lora,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    bf16_alone = settings.weights == "bf16" and not settings.lora
    first = replace(ladder[0], optimizer="adamw8bit") if bf16_alone else ladder[0]
    tried = [replace(one, **given) for one in (first, *ladder)]
    return [one for one in dict.fromkeys(tried) if _possible(one, settings)]


def _possible(technique: Technique, settings: Settings) -> bool:
    if technique.optimizer == "adamw8bit" and settings.optimizer != "adamw8bit":
        return eight_bit.is_installed()
    return technique.weights != "bf16" or technique.rank > 0 or technique.optimizer == "adamw8bit"


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _free() -> int:
    """Bytes that are free on the GPU or, without one, in this machine."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    import psutil  # accelerate brings it

    return psutil.virtual_memory().available


def _lines(plan: Plan, settings: Settings, run: Run, memory_gb: float | None) -> list[str]:
    shape, memory = plan.shape, plan.memory
    available = memory_gb * 1e9 if memory_gb else _free()
    parts = ", ".join(f"{name} {_bytes(size)}" for name, size in memory.parts.items())
    learnt = f", {shape.learnt:,} of them learn" if shape.learnt < shape.parameters else ""
    return [
        f"Plan: {shape.parameters:,} parameters{learnt}; {plan.technique}.",
        f"  memory  {parts}; at most {_bytes(memory.peak)} at one time, of {_bytes(available)}",
        f"  batch   {settings.batch_size:,} windows of {settings.context:,} tokens a step, "
        f"{plan.micro_batch:,} at a time",
        f"  work    {_work(plan, settings, run, here=memory_gb is None)}",
    ]


def _work(plan: Plan, settings: Settings, run: Run, *, here: bool) -> str:
    assert settings.context is not None  # noqa: S101 - filled in by prepare
    each = flops_per_token(plan.shape, plan.technique, settings.context)
    held = len(np.load(run.training, mmap_mode="r")) - 1
    if settings.minutes is not None:
        return f"{settings.minutes:g} minutes; {held:,} tokens in an epoch"
    epochs = settings.epochs
    if epochs is None:
        steps, batch = settings.steps or 1, settings.batch_size or 1
        epochs = steps * batch * settings.context / held
    total = epochs * held * each
    said = f"{epochs:.3g} epochs of {held:,} tokens, {total:.1e} operations"
    if here:
        return f"{said}, about {duration(total / (EFFICIENCY * _product_speed()))} here"
    return f"{said}: about {duration(total / 20e12)} on a card that trains at 20 TFLOP/s"


def _product_speed(width: int = 1024) -> float:
    """Operations a second of a plain product on this machine, in the precision of training."""
    device = _device()
    dtype = torch.bfloat16 if low_precision(device) else torch.float32
    width *= 4 if device.type == "cuda" else 1
    matrix = torch.ones(width, width, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # looked at, so that a GPU is waited for
        best = min(best, time.perf_counter() - begun)
    return 2 * width**3 / best


def _bytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
