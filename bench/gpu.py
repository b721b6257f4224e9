"""The same comparison on a GPU: fp16 beside transformers with a static cache and torch.compile."""

import time
from contextlib import ExitStack, closing
from dataclasses import replace

import onnxruntime
import torch

from backends.model_directory import GRAPH
from bench.bandwidth import weight_bytes
from bench.engine import compare
from bench.engines.chinwag import Chinwag
from bench.engines.hugging_face import open_compiled
from bench.plan import Plan
from bench.random_gpt2 import export
from bench.rows import Row, row_of_ratios

STREAMS = (1, 8, 64)
BUFFER = 4 * 2**30
"""Bytes of the card's memory that are read at once."""
REPEATS = 10


def measure(plan: Plan) -> list[Row]:
    """Compare on the card, and say what share of its reading speed one text uses."""
    if missing := _missing():
        print(f"GPU: not measured: {missing}\n")
        return []
    rows: list[Row] = []
    # What is compiled is compiled for a cache of one length.
    compiled = replace(plan, warm_up=plan.new_tokens)
    with ExitStack() as stack:
        directory = export(plan.checkpoint, "fp16")
        ours = stack.enter_context(closing(Chinwag(directory, max(STREAMS))))
        theirs = stack.enter_context(closing(open_compiled(plan.checkpoint, "cuda")))
        for streams in STREAMS:
            rows += compare(compiled, [ours], [theirs], streams)
    limit = read_bandwidth("cuda") / weight_bytes(directory / GRAPH)
    single = [row.tokens_per_s for row in rows if row.streams == 1]
    shares = [rate / limit for rate in single]
    return [*rows, row_of_ratios(ours.name, "the card's read bandwidth", 1, single, shares, limit)]


def _missing() -> str:
    """Return what a GPU run lacks; nothing where it can be."""
    if not torch.cuda.is_available():
        return "no GPU"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this ONNX Runtime has no CUDA (install the extra gpu in place of cpu)"
    return ""


def read_bandwidth(device: str, size: int = BUFFER) -> float:
    """Return bytes/s that the device reads, the best of several tries."""
    buffer = torch.ones(size // 4, dtype=torch.int32, device=device)

    def seconds() -> float:
        start = time.perf_counter()
        buffer.max().item()  # waits for the device
        return time.perf_counter() - start

    return size / min(seconds() for _ in range(REPEATS))
