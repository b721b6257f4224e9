"""What a GPU gains by each technique, and how much memory each size needs with them."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from bench.random_gpt2 import Shape, make_checkpoint
from bench.rows import Row, row_of_ratios, row_of_speeds
from bench.training_recipes import ABLATION, NANOGPT, Recipe, Step, make_step
from bench.training_sides import Ours
from bench.training_texts import BOOK, TITLES, texts
from trainer.windows import Batch, Windows

SIZES = {
    "124M": Shape(12, 12, 768, 1024, 50257),
    "355M": Shape(24, 16, 1024, 1024, 50257),
    "774M": Shape(36, 20, 1280, 1024, 50257),
    "1558M": Shape(48, 25, 1600, 1024, 50257),
}
BATCHES = (64, 32, 16, 8, 4)
"""Rows in a step: the most of these that fit."""
STEPS, WARM_UP = 10, 3
PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "4090": 165e12}
"""Products and sums a second in bf16, without sparsity, by the cards' data sheets."""
FULL = ABLATION[-1]
PLAIN = replace(NANOGPT, name="bf16, AdamW", compiled=False)
CHUNKED = replace(PLAIN, name="+ chunked loss", padded_vocabulary=False, chunked_loss=True)
SPARING = replace(CHUNKED, name="+ gradient checkpointing", checkpointing=True)
EIGHT_BIT = replace(SPARING, name="+ 8-bit Adam", eight_bit=True)
MEMORY = (
    PLAIN,
    CHUNKED,
    SPARING,
    EIGHT_BIT,
    replace(EIGHT_BIT, name="+ bf16 weights", bf16_weights=True),
    replace(SPARING, name="LoRA, checkpointing", bf16_weights=True, lora=True),
)
DEADLINE = 8 * 60.0
"""Seconds after which no further part is begun."""


def measure() -> list[Row]:
    """Return the ablation, both loops, packed titles, and peak memory; slow parts come last."""
    device, begun = torch.device("cuda"), time.monotonic()
    rows: list[Row] = []
    for part in (_loops, _titles, _ablation, _memory):
        if time.monotonic() - begun > DEADLINE:
            print(f"not measured, for want of time: {part.__name__.strip('_')}")
            continue
        rows += part(device)
    return rows


def _loops(device: torch.device) -> list[Row]:
    """Our loop itself and a nanoGPT-style one, each with as many rows as fit."""
    shape = SIZES["124M"]
    _, count = _largest(FULL, shape, device)
    ours = _our_loop(shape, count)
    theirs, _ = _largest(NANOGPT, shape, device)
    rows = [row_of_speeds("chinwag 124M", NANOGPT.name, count, ours, theirs)]
    name = torch.cuda.get_device_name()
    peak = next((value for key, value in PEAK.items() if key in name), None)
    if peak:
        used = [speed * operations_per_token(shape) / peak for speed in ours]
        rows.append(row_of_ratios("chinwag 124M", f"{name}'s bf16 peak (MFU)", count, ours, used))
    return rows


def _our_loop(shape: Shape, count: int) -> list[float]:
    """Return tokens/s of the loop that `finetune` runs, compiled."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        checkpoint = make_checkpoint(scratch / "checkpoint", shape, flat=True)
        tokens = texts(count * shape.context * 4 * STEPS, BOOK, shape.vocabulary)
        ours = Ours(checkpoint, tokens, shape.context, count, scratch)
        ours.speed(WARM_UP)
        return [ours.speed(STEPS) for _ in range(3)]


def _titles(device: torch.device) -> list[Row]:
    """Titles packed into rows beside titles that have a row each."""
    shape = SIZES["124M"]
    tokens = texts(2_000_000, TITLES, shape.vocabulary)
    packed = Windows(tokens, shape.context, 16, shape.vocabulary - 1, seed=0)
    alone = Windows(tokens, 64, 256, shape.vocabulary - 1, seed=0)
    speeds = [
        speed(make_step(FULL, replace(shape, context=windows.length), device), batches(windows))
        for windows in (packed, alone)
    ]
    return [row_of_speeds("124M, titles", "in rows of 64", 16, *speeds)]


def _ablation(device: torch.device) -> list[Row]:
    """Each recipe beside the one before it, on long text."""
    return ablation(ABLATION, SIZES["124M"], 16, device)


def _memory(device: torch.device) -> list[Row]:
    """Peak memory in GiB as `ratio`, with one row a step; 0 where it does not fit."""
    rows: list[Row] = []
    for name, shape in SIZES.items():
        for recipe in MEMORY:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            found = _speeds_if_it_fits(recipe, shape, 1, device)
            peak = torch.cuda.max_memory_allocated() / 2**30 if found else 0.0
            rows.append(row_of_ratios(f"{name}, GiB", recipe.name, 1, found or [0.0], [peak]))
    return rows


def ablation(recipes: list[Recipe], shape: Shape, count: int, device: torch.device) -> list[Row]:
    """Return a row for each recipe but the first, against the one before it."""
    windows = _windows(shape, count)
    speeds = [speed(make_step(recipe, shape, device), batches(windows)) for recipe in recipes]
    return [
        row_of_speeds(recipes[n].name, recipes[n - 1].name, count, speeds[n], speeds[n - 1])
        for n in range(1, len(recipes))
    ]


def _largest(recipe: Recipe, shape: Shape, device: torch.device) -> tuple[list[float], int]:
    for count in BATCHES:
        if found := _speeds_if_it_fits(recipe, shape, count, device):
            return found, count
    return [0.0], 0


def _speeds_if_it_fits(
    recipe: Recipe, shape: Shape, count: int, device: torch.device
) -> list[float]:
    """Speeds of the steps, none where memory is too small."""
    try:
        return speed(make_step(recipe, shape, device), batches(_windows(shape, count)))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return []


def speed(step: Step, given: list[Batch]) -> list[float]:
    """Return tokens/s in thirds of the steps after the first few."""
    for batch in given[:WARM_UP]:
        step(batch)
    timed = given[WARM_UP:]
    third = max(1, len(timed) // 3)
    speeds: list[float] = []
    for start in range(0, third * 3, third):
        part = timed[start : start + third]
        _wait()
        begun = time.perf_counter()
        for batch in part:
            step(batch)
        _wait()
        speeds.append(sum(batch.count for batch in part) / (time.perf_counter() - begun))
    return speeds


def batches(windows: Windows) -> list[Batch]:
    """The batches of one measurement."""
    return [windows.batch_at(step) for step in range(WARM_UP + STEPS)]


def operations_per_token(shape: Shape) -> float:
    """Products and sums to learn one token: 6 N + 12 L W T (Chowdhery et al. 2022, appendix B)."""
    parameters = 12 * shape.layers * shape.width**2 + shape.vocabulary * shape.width
    return 6 * parameters + 12 * shape.layers * shape.width * shape.context


def _windows(shape: Shape, count: int) -> Windows:
    tokens = texts(count * shape.context * (STEPS + WARM_UP), BOOK, shape.vocabulary)
    return Windows(tokens, shape.context, count, shape.vocabulary - 1, seed=0)


def _wait() -> None:
    """Let a GPU finish what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
