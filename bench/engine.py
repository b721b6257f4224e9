"""Decoding speed of the engine beside transformers' `generate`, both on one random 124M GPT-2.

Weights are random, so a text hardly ever ends early and both sides do the same work: speed does
not depend on what the weights say. Sampling is full (temperature, top-p, repetition penalty) and
the engine streams. The two sides take turns, so that a noisy machine is noisy for both.
"""

import asyncio
import json
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel

from backends import Backend, ModelSpec, Prompt, Sampling
from backends.onnx_engine import open_onnx
from trainer.export import export_model

VOCABULARY = 50257
END = VOCABULARY - 1
PROMPT = "ROMEO: But soft, what light"


@dataclass(frozen=True)
class Row:
    """One comparison: medians of the rounds, and the smallest and largest ratio as `spread`."""

    engine: str
    against: str
    streams: int
    tokens_per_s: float
    against_tokens_per_s: float
    ratio: float
    spread: tuple[float, float]


async def measure(streams: list[int], rounds: int, new_tokens: int, target: Path | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = make_checkpoint(Path(scratch) / "checkpoint")
        for precision in ("int8", "fp32"):
            export_model(
                checkpoint, Path(scratch) / precision, precision=precision,
                training={}, data={}, defaults={},
            )  # fmt: skip
        reference = GPT2LMHeadModel.from_pretrained(checkpoint).eval()
        rows = [
            await compare(Path(scratch) / precision, reference, width, rounds, new_tokens)
            for precision in ("int8", "fp32")
            for width in streams
        ]
    print_table(rows, new_tokens)
    if target:
        target.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")


def make_checkpoint(path: Path) -> Path:
    """Write a GPT-2 of 124M with random weights."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(eos_token_id=END, bos_token_id=END))
    model.save_pretrained(path)
    make_tokenizer().save(str(path / "tokenizer.json"))
    return path


def make_tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer of GPT-2's size: all bytes, and fillers up to 50,257."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fillers = (f"filler{number}" for number in range(VOCABULARY - 1 - len(alphabet)))
    vocabulary = {piece: number for number, piece in enumerate([*alphabet, *fillers])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    return tokenizer


async def compare(
    directory: Path, reference: Any, streams: int, rounds: int, new_tokens: int
) -> Row:
    backend = await open_onnx(
        ModelSpec(directory.name, "onnx", directory, {"slots": max(8, streams)})
    )
    ours: list[float] = []
    theirs: list[float] = []
    try:
        await engine_speed(backend, streams, 8)  # warm both up
        reference_speed(reference, streams, 8)
        for _ in range(rounds):
            ours.append(await engine_speed(backend, streams, new_tokens))
            theirs.append(reference_speed(reference, streams, new_tokens))
    finally:
        await backend.aclose()
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Row(
        engine=f"chinwag {directory.name}",
        against="transformers generate fp32",
        streams=streams,
        tokens_per_s=statistics.median(ours),
        against_tokens_per_s=statistics.median(theirs),
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
    )


async def engine_speed(backend: Backend, streams: int, new_tokens: int) -> float:
    """Return tokens/s of independent requests, prompt reading and streaming included."""

    async def one(seed: int) -> int:
        sampling = Sampling(
            temperature=1.0, top_p=0.95, repetition_penalty=1.1, max_tokens=new_tokens, seed=seed
        )
        written = 0
        async for chunk in backend.generate(Prompt(PROMPT, sampling)):
            if chunk.usage:
                written = chunk.usage.completion_tokens
        return written

    start = time.perf_counter()
    tokens = sum(await asyncio.gather(*(one(seed) for seed in range(streams))))
    return tokens / (time.perf_counter() - start)


def reference_speed(model: Any, streams: int, new_tokens: int) -> float:
    """Return tokens/s of one batch of transformers' `generate` with the same sampling."""
    prompt = torch.randint(0, 256, (1, len(PROMPT))).expand(streams, -1)
    start = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=True, temperature=1.0,
            top_k=0, top_p=0.95, repetition_penalty=1.1, min_new_tokens=new_tokens,
            max_new_tokens=new_tokens, pad_token_id=END,
        )  # fmt: skip
    tokens = streams * (out.shape[1] - prompt.shape[1])
    return tokens / (time.perf_counter() - start)


def print_table(rows: list[Row], new_tokens: int) -> None:
    print(f"124M, {new_tokens} new tokens, {torch.get_num_threads()} threads, {platform.machine()}")
    print(f"{'engine':<14}{'streams':>8}{'tokens/s':>10}{'generate':>10}{'ratio':>8}   spread")
    for row in rows:
        print(
            f"{row.engine:<14}{row.streams:>8}{row.tokens_per_s:>10.1f}"
            f"{row.against_tokens_per_s:>10.1f}{row.ratio:>7.1f}x   "
            f"{row.spread[0]:.1f}–{row.spread[1]:.1f}"
        )
