"""Models within a memory budget: real echo and ONNX ones, and some whose size a test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import (
    Backend,
    BackendFactory,
    Chunk,
    Load,
    Measured,
    ModelInfo,
    ModelSpec,
    Prompt,
    Sampling,
    UserError,
)
from bot.config import ModelConfig
from bot.memory import MB, Memory
from bot.models import ModelPool
from bot.open_models import OpenModels
from plugins.loader import load_plugins
from tests.waiting import until


class Sized:
    """Holds as much memory as the store says, which counts what is held at once."""

    def __init__(self, store: "Store", name: str) -> None:
        self.store = store
        self.name = name

    def info(self) -> ModelInfo:
        return ModelInfo(name=self.name, backend="sized")

    async def generate(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        yield Chunk(prompt.input, finish_reason="stop")

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.store.open.remove(self.name)

    def load(self) -> Load:
        return Load(memory_bytes=self.store.sizes[self.name])


class Store:
    """Models of given sizes in bytes, behind `OpenModels`."""

    def __init__(self, budget: int, *, unload_after: float = 0, **sizes: int) -> None:
        self.sizes: Mapping[str, int] = sizes
        self.budget = budget
        self.open = list[str]()
        """Names of the models in memory, oldest first."""
        self.opened = list[str]()
        """Every opening that was."""
        self.models = OpenModels({"sized": self._open}, Memory(budget), unload_after)

    async def _open(self, spec: ModelSpec) -> Backend:
        await asyncio.sleep(0)
        self.open.append(spec.name)
        self.opened.append(spec.name)
        return Sized(self, spec.name)

    async def write(self, name: str, turns: int = 1) -> None:
        """Use a model for some turns of the event loop."""
        async with self.models.use(ModelSpec(name, "sized"), None):
            assert name in self.open
            assert not self.budget or self.lent_bytes() <= self.budget
            for _ in range(turns):
                await asyncio.sleep(0)
                assert name in self.open, "a model in use is not closed"

    def lent_bytes(self) -> int:
        """What all models hold that requests can get now."""
        return sum(load.memory_bytes for load in self.models.loads().values())


async def closed(store: Store, name: str) -> None:
    await until(lambda: name not in store.open, f"{name} is closed")


async def test_the_least_recently_used_idle_model_makes_room():
    store = Store(100, a=40, b=40, c=40)
    for name in ("a", "b", "a", "c"):
        await store.write(name)
    assert store.open == ["a", "c"]
    await store.models.aclose()


async def test_a_model_in_use_is_waited_for():
    store = Store(100, a=60, b=60)
    async with store.models.use(ModelSpec("a", "sized"), None):
        waiting = asyncio.create_task(store.write("b"))
        await until(lambda: store.opened.count("b"), "b was tried")
        await closed(store, "b")
        assert not waiting.done()
    await waiting
    assert store.open == ["b"]
    await store.models.aclose()


async def test_a_model_larger_than_the_budget_is_refused_in_a_sentence():
    store = Store(100 * MB, small=60 * MB, large=101 * MB)
    await store.write("small")
    with pytest.raises(UserError, match=r"large needs 101 MB .* may have 100 MB"):
        await store.write("large")
    await closed(store, "large")
    await store.write("small")
    await store.models.aclose()


async def test_one_that_turned_out_too_large_takes_nothing_from_others_and_is_not_opened_again():
    store = Store(100 * MB, small=60 * MB, large=101 * MB)
    await store.write("small")
    for _ in range(2):
        with pytest.raises(UserError, match="large needs"):
            await store.write("large")
    await closed(store, "large")
    assert store.opened == ["small", "large"]
    assert store.open == ["small"]
    await store.models.aclose()


async def test_one_known_to_be_too_large_from_its_files_is_not_even_opened(tmp_path: Path):
    (tmp_path / "weights").write_bytes(b"x" * 2000)
    store = Store(1000, heavy=10)
    with pytest.raises(UserError, match="heavy needs"):
        async with store.models.use(ModelSpec("heavy", "sized", tmp_path), None):
            pass
    assert store.opened == []


async def test_models_that_take_no_memory_are_not_closed_for_others():
    store = Store(100, remote=0, a=100, b=100)
    for name in ("remote", "a", "b"):
        await store.write(name)
    assert store.open == ["remote", "b"]
    await store.models.aclose()


async def test_one_who_no_longer_waits_for_memory_takes_none_from_others():
    store = Store(100, a=60, b=60)
    async with store.models.use(ModelSpec("a", "sized"), None):
        waiting = asyncio.create_task(store.write("b"))
        await until(lambda: store.opened.count("b"), "b was tried")
        await closed(store, "b")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        tried = len(store.opened)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (store.open, len(store.opened)) == (["a"], tried)
    await store.models.aclose()


async def test_an_opening_goes_on_when_the_one_who_asked_leaves():
    store = Store(0, a=1)
    asking = asyncio.create_task(store.write("a"))
    await until(lambda: asking.done() or store.models.loads() or store.opened, "it is opened")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await store.write("a")
    assert store.opened == ["a"]
    await store.models.aclose()


async def test_a_model_that_nobody_uses_is_unloaded_and_opened_again_when_asked_for():
    store = Store(0, unload_after=0.01, a=1)
    async with store.models.use(ModelSpec("a", "sized"), None):
        await store.write("a")
        assert store.open == ["a"]
    await closed(store, "a")
    await store.write("a")
    assert store.opened == ["a", "a"]
    await store.models.aclose()


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 60), min_size=1),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.booleans()), max_size=15),
    st.integers(60, 150),
)
@settings(deadline=None, max_examples=60)
async def test_whatever_comes_at_once_all_are_served_and_nothing_is_lent_beyond_the_budget(
    sizes: dict[str, int], asked: list[tuple[str, int, bool]], budget: int
):
    store = Store(budget, **sizes)
    tasks = list[asyncio.Task[None]]()
    leaving = set[int]()
    for number, (name, turns, leaves) in enumerate(asked):
        if name in sizes:
            tasks.append(asyncio.create_task(store.write(name, turns)))
            leaving |= {len(tasks) - 1} if leaves else set()
        if number % 3 == 2:
            await asyncio.sleep(0)
    for number in leaving:
        tasks[number].cancel()
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    unexpected = [one for one in outcomes if isinstance(one, Exception)]
    assert unexpected == []
    await until(lambda: sum(sizes[name] for name in store.open) <= budget, "it fits again")
    await store.models.aclose()
    assert store.open == []


async def real_pool(tiny_model: Path, stack: AsyncExitStack, memory: int) -> ModelPool:
    """Two names for one real model, and an echo."""
    onnx = ModelConfig(backend="onnx", path=tiny_model, options={"slots": 1, "threads": 1})
    configured = {"one": onnx, "two": onnx, "echo": ModelConfig(backend="echo")}
    factories: Mapping[str, BackendFactory] = load_plugins().backends
    pool = ModelPool(Path("nowhere"), configured, factories, memory=memory)
    stack.push_async_callback(pool.aclose)
    return pool


async def text_of(backend: Backend) -> str:
    prompt = Prompt("What would", Sampling(temperature=0, max_tokens=8))
    return "".join([chunk.text async for chunk in backend.generate(prompt)])


async def test_real_models_share_a_budget_and_write_as_before_when_opened_again(tiny_model: Path):
    async with AsyncExitStack() as stack:
        unlimited = await real_pool(tiny_model, stack, 0)
        async with unlimited.use("one") as backend:
            assert isinstance(backend, Measured)
            needs = backend.load().memory_bytes
        assert needs > 0
        pool = await real_pool(tiny_model, stack, int(needs * 1.5))
        texts = list[str]()
        for name in ("one", "echo", "two", "one"):
            async with pool.use(name) as backend:
                texts.append(await text_of(backend))
            assert sum(load.memory_bytes for load in pool.loads().values()) <= needs * 1.5
        assert set(pool.loads()) == {"echo", "one"}
        assert texts[0] == texts[2] == texts[3] != ""
