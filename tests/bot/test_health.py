"""The health address of a real core, asked over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.config import Config
from bot.core import Core
from bot.health import Health, telling_health
from tests.core import ECHO, ask, running_core
from tests.waiting import until

HEALTH = {"health": {"port": 0}}


class FakePlatform:
    """Ready when a test says so."""

    name = "web"

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready

    async def serve(self) -> None:
        raise AssertionError("nobody serves here")


@asynccontextmanager
async def telling(
    folder: Path, platform: FakePlatform | None = None
) -> AsyncIterator[tuple[Core, str]]:
    async with (
        running_core(folder, {**ECHO, **HEALTH}) as core,
        telling_health(core, [platform or FakePlatform()]) as address,
    ):
        assert address
        assert address.startswith("http://127.0.0.1:")
        yield core, address


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, await answer.text()


async def test_it_lives_whatever_the_platforms_do(tmp_path: Path):
    async with telling(tmp_path, FakePlatform(ready=False)) as (_, address):
        status, text = await get(f"{address}/livez")
    assert status == 200
    assert "event loop" in text


async def test_an_event_loop_that_comes_far_too_late_is_not_alive(tmp_path: Path):
    async with running_core(tmp_path) as core:
        health = Health(core, [], lag=60)
        runner = web.AppRunner(health.app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        status, _ = await get(f"http://127.0.0.1:{runner.addresses[0][1]}/livez")
        await runner.cleanup()
    assert status == 503


async def test_the_lag_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bot.health._BEAT", 0.001)
    async with running_core(tmp_path) as core:
        health = Health(core, [], lag=-1)
        beating = asyncio.create_task(health.beat())
        await until(lambda: health.lag >= 0, "a first beat")
        beating.cancel()


async def test_it_is_ready_while_all_platforms_are_and_no_longer_when_it_stops(tmp_path: Path):
    platform = FakePlatform(ready=False)
    async with telling(tmp_path, platform) as (core, address):
        assert await get(f"{address}/readyz") == (503, "web is not ready\n")
        platform.ready = True
        assert await get(f"{address}/readyz") == (200, "web is ready\n")
        await core.router.drain(0)
        assert await get(f"{address}/readyz") == (503, "web is ready\nthe bot is stopping\n")


async def test_metrics_are_there_for_prometheus(tmp_path: Path):
    async with telling(tmp_path) as (core, address):
        await ask(core, "generate", text="x y z")
        status, text = await get(f"{address}/metrics")
    assert status == 200
    assert 'chinwag_generation_tokens_total{model_name="echo"} 3.0' in text


async def test_a_taken_port_is_said_in_the_log_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with (
            running_core(tmp_path, {**ECHO, "health": {"port": port}}) as core,
            telling_health(core, []) as address,
        ):
            assert address is None
    assert f"port {port}" in caplog.text
    assert "give [health] another port" in caplog.text


async def test_where_it_is_not_wanted_nothing_listens(tmp_path: Path):
    assert Config().health.host == "127.0.0.1", "nobody else can ask unless the operator says so"
    off = {**ECHO, "health": {"enabled": False}}
    async with running_core(tmp_path, off) as core, telling_health(core, []) as address:
        assert address is None
