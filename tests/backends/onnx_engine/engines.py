"""What the engine's tests share: open a tiny model, read its texts, and decoders that misbehave."""

import shutil
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from backends import Backend, Chunk, FinishReason, ModelSpec, Prompt, Usage, Value
from backends.decoding.draws import Draws
from backends.model_directory import CARD, GRAPH, TOKENIZER, read_card, sha256_of
from backends.onnx_engine import open_onnx
from backends.onnx_engine.backend import OnnxBackend
from backends.onnx_engine.decoder import Decoder
from backends.onnx_engine.step import Step
from backends.word_index import FILES
from trainer.originality.index import build_index, write_index


@dataclass(frozen=True)
class Whole:
    """A finished text."""

    text: str
    finish_reason: FinishReason | None
    usage: Usage | None
    seed: int | None


def with_index(model: Path, texts: list[str], target: Path) -> Path:
    """Copy a model directory to `target` with an index of these training texts."""
    shutil.copytree(model, target)
    write_index(build_index(texts), target)
    card = read_card(target)
    files = {file: sha256_of(target / file) for file in (*card.files, *FILES.values())}
    changed = card.model_copy(update={"files": files})
    (target / CARD).write_text(changed.model_dump_json(), encoding="utf-8")
    return target


@asynccontextmanager
async def engine(model: Path, **options: Value) -> AsyncIterator[OnnxBackend]:
    """Serve a model directory as the bot does."""
    backend = await open_onnx(ModelSpec("tiny", "onnx", model, {"threads": 1, **options}))
    assert isinstance(backend, OnnxBackend)
    try:
        yield backend
    finally:
        await backend.aclose()


async def read(backend: Backend, prompt: Prompt) -> list[Whole]:
    """Return a prompt's texts whole, after a look that each ended exactly once."""
    pieces, last = defaultdict[int, list[str]](list), dict[int, Chunk]()
    async for chunk in backend.generate(prompt):
        assert chunk.index not in last
        assert chunk.text or chunk.finish_reason or chunk.logprobs
        pieces[chunk.index].append(chunk.text)
        if chunk.finish_reason:
            last[chunk.index] = chunk
    assert sorted(last) == list(range(prompt.n))
    return [
        Whole("".join(pieces[i]), last[i].finish_reason, last[i].usage, last[i].seed)
        for i in sorted(last)
    ]


class Breakable(Decoder):
    """A real decoder that counts, can be held in a step, and does wrong on demand."""

    def __init__(self, model: Path, slots: int = 4, kept: int = 0) -> None:
        self.steps = 0
        """Steps begun."""
        self.prompts: list[list[int]] = []
        """The tokens of every chunk of a prompt read, in the order of reading."""
        self.calls: list[str] = []
        """"chunk" and "step", in their order."""
        self.failing: int | None = None
        """The step that raises an error."""
        self.poisoned: int | None = None
        """The step in which the first slot's logits are no numbers."""
        self.copies = True
        """Whether rows can be copied."""
        self.may_step = threading.Event()
        """A step waits until this is set."""
        self.may_step.set()
        self.may_copy = threading.Event()
        """Copying a row waits until this is set."""
        self.may_copy.set()
        super().__init__(model / GRAPH, read_card(model).architecture, slots, threads=1, kept=kept)
        self.steps = 0
        self.calls.clear()

    @property
    def prefills(self) -> int:
        """How many chunks of prompts were read."""
        return len(self.prompts)

    def prefill(self, slot: int, tokens: NDArray[np.int64], start: int = 0) -> None:
        self.prompts.append(tokens.tolist())
        self.calls.append("chunk")
        super().prefill(slot, tokens, start)

    def copy(self, source: int, target: int, length: int) -> None:
        self.may_copy.wait()
        if not self.copies:
            raise RuntimeError("secret details of a library")
        super().copy(source, target, length)

    def run(self, step: Step) -> Draws:
        self.steps += 1
        self.calls.append("step")
        self.may_step.wait()
        if self.steps == self.failing:
            raise RuntimeError("secret details of a library")
        draws = super().run(step)
        if self.steps == self.poisoned:
            draws.whole[0], draws.kept[0] = np.nan, False
        return draws


@asynccontextmanager
async def breakable_engine(
    model: Path, slots: int = 4, kept: int = 0
) -> AsyncIterator[tuple[OnnxBackend, Breakable]]:
    """Serve a model directory with a decoder that breaks on demand."""
    decoder = Breakable(model, slots, kept)
    tokenizer = Tokenizer.from_file(str(model / TOKENIZER))
    backend = OnnxBackend("tiny", read_card(model), tokenizer, decoder)
    try:
        yield backend, decoder
    finally:
        decoder.may_step.set()
        decoder.may_copy.set()
        await backend.aclose()
