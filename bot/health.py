"""How the bot is, over HTTP on the loopback address: for supervisors, Prometheus and `status`."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

from bot.core import Core
from bot.platform import Platform
from bot.status import STATUS, describe

log = logging.getLogger(__name__)

_TOO_SLOW = 5.0
"""Seconds that the event loop may come late before the bot counts as stuck."""

_BEAT = 1.0
"""Seconds between two looks at how late the event loop comes."""


@dataclass
class Health:
    """Answers `/livez`, `/readyz`, `/metrics` and `/status`."""

    core: Core
    platforms: Sequence[Platform]
    lag: float = 0.0
    """Seconds that the event loop came late at the last beat."""
    began: float = field(default_factory=time.monotonic)

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get(STATUS, self._status)
        return app

    async def beat(self) -> None:
        """Measure how late the event loop comes, until cancelled."""
        while True:
            due = time.monotonic() + _BEAT
            await asyncio.sleep(_BEAT)
            self.lag = max(0.0, time.monotonic() - due)

    async def _live(self, _request: web.Request) -> web.Response:
        """Whether the process itself moves: neither models nor platforms count."""
        status = 503 if self.lag > _TOO_SLOW else 200
        return web.Response(text=f"the event loop is {self.lag:.3f} s late\n", status=status)

    async def _ready(self, _request: web.Request) -> web.Response:
        """Whether users reach the bot on every platform and it takes new work."""
        lines = [f"{one.name} is {'ready' if one.ready else 'not ready'}" for one in self.platforms]
        if self.core.router.draining:
            lines.append("the bot is stopping")
        ready = all(one.ready for one in self.platforms) and not self.core.router.draining
        return web.Response(text="\n".join(lines) + "\n", status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self.core.metrics.text(), headers=headers)

    async def _status(self, _request: web.Request) -> web.Response:
        uptime = time.monotonic() - self.began
        told = describe(self.core, self.platforms, uptime=uptime, lag=self.lag)
        return web.json_response(text=told.model_dump_json())


@asynccontextmanager
async def telling_health(core: Core, platforms: Sequence[Platform]) -> AsyncGenerator[str | None]:
    """Tell how the bot is until the block ends, if the config wants it; yields the address.

    A taken port is said in the log and keeps nobody from serving.
    """
    if not core.config.health.enabled:
        yield None
        return
    health = Health(core, platforms)
    beating = asyncio.create_task(health.beat())
    runner = web.AppRunner(health.app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        yield await _listen(runner, core)
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        await runner.cleanup()


async def _listen(runner: web.AppRunner, core: Core) -> str | None:
    host, port = core.config.health.host, core.config.health.port
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        log.warning(
            "how the bot is cannot be told on %s, port %d (%s): give [health] another port",
            host,
            port,
            error.strerror,
        )
        return None
    found = runner.addresses[0]
    address = f"http://{f'[{found[0]}]' if ':' in found[0] else found[0]}:{found[1]}"
    log.info("health: %s", address)
    return address
