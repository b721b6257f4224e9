import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends import Backend, BackendError, Chunk, ModelInfo, ModelSpec, Prompt, UserError
from bot.config import ModelConfig
from bot.models import ModelPool
from tests.waiting import PATIENCE, until


class CountedBackend:
    """Counts how often it was opened and closed."""

    def __init__(self, spec: ModelSpec) -> None:
        self.name = spec.name
        self.closed = 0

    def info(self) -> ModelInfo:
        return ModelInfo(name=self.name, backend="onnx", defaults={"n": 2})

    async def generate(self, prompt: Prompt) -> AsyncIterator[Chunk]:
        yield Chunk(prompt.input, finish_reason="stop")

    async def aclose(self) -> None:
        self.closed += 1


class Shelf:
    """A pool over a folder, and the backends that it opened."""

    def __init__(self, folder: Path, **configured: ModelConfig) -> None:
        self.folder = folder
        self.opened: list[CountedBackend] = []
        self.attempts = 0
        self.broken: Exception | None = None
        """Raised by openings."""
        self.gate = asyncio.Event()
        """Openings wait for it."""
        self.gate.set()
        self.pool = ModelPool(folder, configured, {"onnx": self.open})

    async def open(self, spec: ModelSpec) -> Backend:
        self.attempts += 1
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.broken:
            raise self.broken
        backend = CountedBackend(spec)
        self.opened.append(backend)
        return backend

    async def serving_another_than(self, before: Backend) -> None:
        """Wait until new requests get another version."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self.pool.use("one") as backend:
                    if backend is not before:
                        return
                await asyncio.sleep(0)

    def put(self, name: str) -> None:
        """Put a model into the folder as the trainer does: a new directory under its name."""
        made = self.folder / f".{name}"
        made.mkdir(parents=True)
        (made / "card.json").write_text("{}")
        shutil.rmtree(self.folder / name, ignore_errors=True)
        made.rename(self.folder / name)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "models")


async def test_models_come_from_the_config_and_from_the_folder(tmp_path: Path):
    shelf = Shelf(tmp_path, listed=ModelConfig(backend="onnx"))
    shelf.put("found")
    (tmp_path / "no-model").mkdir()
    assert await shelf.pool.names() == ["found", "listed"]


async def test_a_model_is_opened_at_first_use_and_once_for_all(shelf: Shelf):
    shelf.put("one")
    assert shelf.opened == []
    await asyncio.gather(*(shelf.pool.info("one") for _ in range(5)))
    assert len(shelf.opened) == 1


async def test_a_changed_model_takes_over_once_it_is_open_and_the_old_ends_its_own(shelf: Shelf):
    shelf.put("one")
    async with shelf.pool.use("one") as before:
        shelf.put("one")
        shelf.gate.clear()
        async with shelf.pool.use("one") as meanwhile:
            assert meanwhile is before, "nobody waits for the new one"
        shelf.gate.set()
        await shelf.serving_another_than(before)
        assert [backend.closed for backend in shelf.opened] == [0, 0]
    await until(lambda: shelf.opened[0].closed, "the old one is closed")
    assert [backend.closed for backend in shelf.opened] == [1, 0]


async def test_a_new_version_that_cannot_be_opened_leaves_the_old_one_serving(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
):
    shelf.put("one")
    await shelf.pool.info("one")
    shelf.broken = BackendError("Its graph is damaged: export it again.")
    shelf.put("one")
    await shelf.pool.info("one")
    await until(lambda: "graph is damaged" in caplog.text, "the log tells")
    async with shelf.pool.use("one") as backend:
        assert backend is shelf.opened[0]
    told = (await shelf.pool.info("one")).details["Newer version"]
    assert told == "not in use. Its graph is damaged: export it again."
    assert shelf.attempts == 2, "a version that was refused is not tried at every request"
    shelf.broken = None
    shelf.put("one")
    await shelf.serving_another_than(shelf.opened[0])
    assert "Newer version" not in (await shelf.pool.info("one")).details


async def test_a_removed_model_vanishes_and_closes_when_its_last_request_ends(shelf: Shelf):
    shelf.put("one")
    async with shelf.pool.use("one"):
        shutil.rmtree(shelf.folder / "one")
        assert await shelf.pool.names() == []
        with pytest.raises(UserError, match="There is no model one"):
            await shelf.pool.info("one")
        assert shelf.opened[0].closed == 0
    await until(lambda: shelf.opened[0].closed, "it is closed")


async def test_a_model_removed_while_it_opens_is_closed_after_its_one_request(tmp_path: Path):
    shelf = Shelf(tmp_path)
    opening, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(spec: ModelSpec) -> Backend:
        opening.set()
        await go_on.wait()
        return await shelf.open(spec)

    pool = ModelPool(tmp_path, {}, {"onnx": slowly})
    shelf.put("one")
    asking = asyncio.create_task(pool.info("one"))
    await opening.wait()
    shutil.rmtree(tmp_path / "one")
    with pytest.raises(UserError, match="There is no model one"):
        await pool.info("one")
    go_on.set()
    await asking
    await until(lambda: shelf.opened[0].closed, "it is closed")
    assert [backend.closed for backend in shelf.opened] == [1]


async def test_a_model_added_while_the_bot_runs_can_be_used(shelf: Shelf):
    with pytest.raises(UserError, match="There is none yet"):
        await shelf.pool.info("one")
    shelf.put("one")
    assert (await shelf.pool.info("one")).name == "one"


async def test_a_model_that_cannot_be_opened_is_tried_again_at_the_next_use(tmp_path: Path):
    attempts: list[str] = []

    async def refuse(spec: ModelSpec) -> Backend:
        attempts.append(spec.name)
        raise BackendError("It is broken: export it again.")

    pool = ModelPool(tmp_path, {"bad": ModelConfig(backend="refusing")}, {"refusing": refuse})
    for _ in range(2):
        with pytest.raises(UserError, match="It is broken"):
            await pool.info("bad")
    assert attempts == ["bad", "bad"]


async def test_a_name_with_a_typo_is_met_with_a_suggestion(shelf: Shelf):
    shelf.put("shakespeare")
    with pytest.raises(UserError, match="Did you mean shakespeare"):
        await shelf.pool.info("shakespere")


async def test_a_name_cannot_lead_out_of_the_folder(shelf: Shelf):
    shelf.put("one")
    with pytest.raises(UserError, match="There is no model"):
        await shelf.pool.info("../models/one")


async def test_closing_the_pool_closes_every_model(shelf: Shelf):
    for name in ("one", "two"):
        shelf.put(name)
        await shelf.pool.info(name)
    await shelf.pool.aclose()
    assert [backend.closed for backend in shelf.opened] == [1, 1]


async def test_no_model_is_opened_for_its_defaults(tmp_path: Path):
    run = tmp_path / "runs" / "tales"
    (run / "checkpoints").mkdir(parents=True)
    (run / "about.json").write_text('{"defaults": {"n": 3}}')
    shelf = Shelf(
        tmp_path,
        listed=ModelConfig(backend="onnx"),
        run=ModelConfig(backend="onnx", path=run),
    )
    assert await shelf.pool.defaults("listed") == {}
    assert await shelf.pool.defaults("run") == {"n": 3}
    assert shelf.attempts == 0
    await shelf.pool.info("listed")
    assert await shelf.pool.defaults("listed") == {"n": 2}


async def test_the_defaults_are_those_of_the_version_that_serves(shelf: Shelf):
    shelf.put("one")
    await shelf.pool.info("one")
    shelf.put("one")
    (shelf.folder / "one" / "card.json").write_text("garbage")
    assert await shelf.pool.defaults("one") == {"n": 2}
