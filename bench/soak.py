"""Thousands of requests of random kinds: memory must stay flat, and no slot may be lost.

A small model through the real engine, more readers than slots. Some requests are read to the end;
others are closed, called off at any moment, left without a word, or read slowly. Some ask for what
was written before, and must get the same text.
"""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from statistics import median

from backends import ModelSpec, Prompt, Sampling, UserError
from backends.onnx_engine.backend import OnnxBackend, open_backend

SLOTS = 8
READERS = 24
"""Requests under way at once."""
SETTLED = 500
"""Requests after which memory must not grow any more."""
LOOKS = 100
"""How often the memory is looked at."""
ALLOWED = 4_000_000
"""Bytes of growth that are put down to the allocator."""
WORDS = ["".join(random.Random(seed).choices("abcdefgh", k=1 + seed % 9)) for seed in range(300)]
"""Few words, for the tokenizers library remembers 10,000: that takes megabytes and is no leak."""
PATIENCE = 60.0
"""Seconds after which what must happen counts as never happening."""
MODEL = """
import sys
from pathlib import Path
from bench.random_gpt2 import Shape, export, make_checkpoint
shape = Shape(layers=2, heads=2, width=32, context=64, vocabulary=400)
export(make_checkpoint(Path(sys.argv[1]) / "checkpoint", shape), "int8")
"""
"""Made by a process of its own: memory that PyTorch leaves free here would hide what leaks."""


def soak(requests: int, seed: int) -> list[str]:
    """Send the requests and print how it goes; returns what went wrong."""
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        # Our own interpreter and program.
        subprocess.run([sys.executable, "-c", MODEL, scratch], check=True)  # noqa: S603 - see above
        return asyncio.run(_soak(Path(scratch) / "int8", requests, seed))


async def _soak(model: Path, requests: int, seed: int) -> list[str]:
    backend = await open_backend(ModelSpec("soak", "onnx", model, {"slots": SLOTS}))
    try:
        crowd = Crowd(backend, requests, seed)
        await crowd.run()
        return [*crowd.faults, *await lost_slots(backend)]
    finally:
        await backend.aclose()


class Crowd:
    """Readers who send one request after another, each of a random kind."""

    def __init__(self, backend: OnnxBackend, requests: int, seed: int) -> None:
        self.faults: list[str] = []
        self._backend = backend
        self._requests = requests
        self._draw = random.Random(seed)
        self._begun = 0
        self._ended = Counter[str]()
        self._memory: list[int] = []
        self._expected: list[tuple[Prompt, list[str]]] = []
        self._ways: dict[str, Callable[[Prompt], Awaitable[None]]] = {
            "read": self._read,
            "repeated": self._repeat,
            "read slowly": self._read_slowly,
            "closed": self._close,
            "cancelled": self._cancel,
            "left": self._leave,
        }

    async def run(self) -> None:
        """Send all requests, and judge the memory."""
        for _ in range(SLOTS):
            prompt = self._prompt(seeded=True)
            self._expected.append((prompt, await self._texts(prompt)))
        await asyncio.gather(*(self._reader() for _ in range(READERS)))
        print(", ".join(f"{count:,} {way}" for way, count in sorted(self._ended.items())))
        settled = min(SETTLED, self._requests // 2)
        grown = growth(self._memory, settled / self._requests)
        print(f"memory: {grown / 1e6:+.1f} MB from request {settled:,} to {self._requests:,}")
        if grown > ALLOWED:
            self.faults.append(f"memory grew by {grown / 1e6:.1f} MB")

    async def _reader(self) -> None:
        while self._begun < self._requests and len(self.faults) < 10:
            self._begun += 1
            way = self._draw.choice([*self._ways])
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._ways[way](self._prompt(seeded=False))
            except TimeoutError:
                self.faults.append(f"a request ({way}) did not end")
            self._ended[way] += 1
            if self._ended.total() % max(self._requests // LOOKS, 1) == 0:
                self._memory.append(resident())
                self._tell()

    def _tell(self) -> None:
        done = self._ended.total()
        if len(self._memory) % (LOOKS // 10) == 0:
            print(f"{done:>7,} requests, {self._memory[-1] / 1e6:.1f} MB", flush=True)

    def _prompt(self, *, seeded: bool) -> Prompt:
        draw = self._draw
        sampling = Sampling(
            temperature=draw.choice((0, 0.7, 1, 1.3)),
            top_k=draw.choice((0, 0, 5, 40)),
            top_p=draw.choice((1, 0.95, 0.5)),
            min_p=draw.choice((0, 0, 0.05)),
            repetition_penalty=draw.choice((1, 1.1, 1.3)),
            presence_penalty=draw.choice((0, 0, 0.5)),
            logprobs=draw.choice((None, None, 3)),
            bad_words=draw.choice(((), (), ("filler9",))),
            stop=draw.choice(((), (), ("r1", "77"))),
            max_tokens=draw.randint(1, 60),
            seed=draw.randrange(2**32) if seeded or draw.random() < 0.5 else None,
        )
        text = " ".join(draw.choices(WORDS, k=draw.randint(0, 9)))
        prefix = draw.choice(("", "", "A channel's prefix: "))
        return Prompt(text, sampling, n=draw.choice((1, 1, 1, 2, 3)), prefix=prefix)

    # ---- the ways of a reader

    async def _texts(self, prompt: Prompt, pause: float = 0) -> list[str]:
        """Return a prompt's texts whole, and note where one did not end exactly once."""
        texts, ends = [""] * prompt.n, Counter[int]()
        async for chunk in self._backend.generate(prompt):
            texts[chunk.index] += chunk.text
            ends[chunk.index] += chunk.finish_reason is not None
            if pause:
                await asyncio.sleep(pause)
        if ends != Counter(range(prompt.n)):
            self.faults.append(f"texts ended {dict(ends)} times")
        return texts

    async def _read(self, prompt: Prompt) -> None:
        await self._texts(prompt)

    async def _read_slowly(self, prompt: Prompt) -> None:
        await self._texts(prompt, pause=self._draw.uniform(0, 0.003))

    async def _repeat(self, _: Prompt) -> None:
        prompt, expected = self._draw.choice(self._expected)
        if await self._texts(prompt) != expected:
            self.faults.append("the same seed did not give the same text")

    async def _close(self, prompt: Prompt) -> None:
        left = self._draw.randint(0, 20)
        async with aclosing(self._backend.generate(prompt)) as chunks:
            async for _ in chunks:
                left -= 1
                if left < 0:
                    return

    async def _cancel(self, prompt: Prompt) -> None:
        task = asyncio.create_task(self._texts(prompt))
        await asyncio.wait([task], timeout=self._draw.uniform(0, 0.05))
        task.cancel()
        await asyncio.wait([task])

    async def _leave(self, prompt: Prompt) -> None:
        """Take a piece and forget the rest: nobody closes the stream."""
        await anext(aiter(self._backend.generate(prompt)))


def growth(memory: list[int], settled: float) -> float:
    """Return by how many bytes memory grew after the share `settled` of the looks at it.

    Medians of five looks stand for the beginning and the end.
    """
    after = memory[int(len(memory) * settled) :]
    return median(after[-5:]) - median(after[:5])


def resident() -> int:
    """Return the bytes of memory that this process has. Raises `UserError` where nobody says."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        raise UserError("The soak reads its memory from /proc: run it on Linux.") from None
    return pages * os.sysconf("SC_PAGE_SIZE")


async def lost_slots(backend: OnnxBackend) -> list[str]:
    """Return what is wrong with the slots of a backend that has nothing to do any more."""
    if not await _comes_true(lambda: not (backend.load().running or backend.load().waiting)):
        return [f"slots are held though nobody reads: {backend.load()}"]
    prompt = Prompt("all slots", Sampling(max_tokens=100_000))
    streams = [backend.generate(prompt) for _ in range(SLOTS)]
    first = [asyncio.ensure_future(anext(stream)) for stream in streams]
    most = 0

    def full() -> bool:
        # Between two steps a text can be on its way from one slot to another.
        nonlocal most
        most = max(most, backend.load().running)
        return most == SLOTS

    found = [] if await _comes_true(full) else [f"only {most} of {SLOTS} slots can be used"]
    for waiting in first:
        waiting.cancel()
    await asyncio.gather(*first, return_exceptions=True)
    for stream in streams:
        await stream.aclose()
    return found


async def _comes_true(condition: Callable[[], bool]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - another thread's state, so it is asked
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True
