import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from backends import UserError
from bot.core import Core
from bot.service import serve
from tests.core import running_core
from tests.waiting import until


class FakePlatform:
    """Does as it is told each time it is served."""

    ready = True

    def __init__(self, name: str, *outcomes: Exception | None) -> None:
        self.name = name
        self._outcomes = list(outcomes)
        self.served = 0
        self.ended = False

    async def serve(self) -> None:
        self.served += 1
        if self._outcomes and (outcome := self._outcomes.pop(0)):
            raise outcome
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.service._FIRST_PAUSE", 0.0)


async def serve_until(
    folder: Path, condition: Callable[[], object], *platforms: FakePlatform
) -> Core:
    """Serve, and send SIGTERM when the condition holds."""
    async with running_core(folder) as core:
        serving = asyncio.create_task(serve(platforms, core.router, 0))
        await until(lambda: serving.done() or condition(), "the condition")
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        return core


async def test_a_platform_that_falls_over_is_started_again(tmp_path: Path):
    bad = FakePlatform("bad", RuntimeError("one event did not parse"), ConnectionError("lost"))
    await serve_until(tmp_path, lambda: bad.served == 3, bad)
    assert bad.ended


async def test_one_that_falls_over_does_not_disturb_the_others(tmp_path: Path):
    bad, good = FakePlatform("bad", *[RuntimeError()] * 3), FakePlatform("good")
    await serve_until(tmp_path, lambda: bad.served == 4, bad, good)
    assert good.served == 1


async def test_one_that_cannot_start_is_told_and_the_others_serve(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    refused = FakePlatform("discord", UserError("The token is refused."))
    good = FakePlatform("good")
    await serve_until(tmp_path, lambda: "The token is refused." in caplog.text, refused, good)
    assert (refused.served, good.served, good.ended) == (1, 1, True)


async def test_where_none_can_start_the_reason_is_raised(tmp_path: Path):
    async with running_core(tmp_path) as core:
        refused = FakePlatform("web", UserError("Port 1 is in use."))
        with pytest.raises(UserError, match="Port 1 is in use"):
            await serve([refused], core.router, 0)


async def test_a_signal_ends_every_platform(tmp_path: Path):
    platforms = [FakePlatform(str(number)) for number in range(3)]
    await serve_until(tmp_path, lambda: all(one.served for one in platforms), *platforms)
    assert all(one.ended for one in platforms)


async def test_the_router_is_drained_before_the_platforms_end(tmp_path: Path):
    platform = FakePlatform("web")
    order: list[str] = []

    class Draining:
        async def drain(self, grace: float) -> None:
            order.append(f"drained within {grace:g} s, platform ended: {platform.ended}")

    serving = asyncio.create_task(serve([platform], Draining(), 25))  # pyright: ignore[reportArgumentType] - all that is used of a router
    await until(lambda: platform.served, "it serves")
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert order == ["drained within 25 s, platform ended: False"]
    assert platform.ended
