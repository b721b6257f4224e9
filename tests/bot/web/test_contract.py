"""The web page keeps the promises that all platforms make."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bot.platform import Dispatcher
from tests.bot.web.driver import WebDriver, driving
from tests.contract import CONFIG, PlatformContract, Scene, Watched
from tests.core import running_core


class Read(Watched):
    """Quiet only when the browser, too, has read all: the last lines are a moment on their way."""

    def __init__(self, inner: Dispatcher) -> None:
        super().__init__(inner)
        self.driver: WebDriver | None = None

    async def quiet(self, calls: int) -> None:
        await super().quiet(calls)
        if self.driver:
            await self.driver.read_all()


class TestWeb(PlatformContract):
    def start(self, dispatcher: Dispatcher) -> AbstractAsyncContextManager[WebDriver]:
        return driving(dispatcher)

    @pytest.fixture
    async def scene(self, tmp_path: Path) -> AsyncIterator[Scene]:
        async with running_core(tmp_path, CONFIG) as core:
            watched = Read(core.router)
            async with self.start(watched) as driver:
                watched.driver = driver
                yield Scene(driver, watched)
