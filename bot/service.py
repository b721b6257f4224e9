"""Serve platforms together: each watched and started again, all stopped by one signal."""

import asyncio
import logging
import os
import signal
from asyncio import FIRST_COMPLETED
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from backends import UserError
from bot.platform import Platform
from bot.router import Router

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a platform that fell over is started again; doubled each time."""

_STEADY = 300.0
"""Seconds after which a platform counts as well again."""

_GOODBYE = 10.0
"""Seconds that the platforms get to take their leave."""


async def serve(platforms: Sequence[Platform], router: Router, grace: float) -> None:
    """Serve until SIGTERM or SIGINT, then let running answers finish for `grace` seconds.

    A second signal ends the process at once. A platform that cannot start is told in the log while
    others serve; `UserError` is raised when none is left.
    """
    stop = asyncio.Event()
    with _on_signals(stop):
        tasks = [asyncio.create_task(_supervise(one), name=one.name) for one in platforms]
        try:
            await _all_ended_or(stop, tasks)
            log.info("stopping")
            await router.drain(grace)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_GOODBYE)


async def _all_ended_or(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the signal. Raises the last platform's `UserError` where all have given up."""
    stopping = asyncio.create_task(stop.wait())
    running = {*tasks}
    try:
        while not stop.is_set():
            ended, _ = await asyncio.wait({stopping, *running}, return_when=FIRST_COMPLETED)
            running -= ended
            for task in ended - {stopping}:
                if not running:
                    task.result()
                log.error("%s", task.exception())
    finally:
        stopping.cancel()


async def _supervise(platform: Platform) -> None:
    """Keep one platform running; only what its operator must mend ends it."""
    pause = _FIRST_PAUSE
    clock = asyncio.get_running_loop()
    while True:
        began = clock.time()
        try:
            await platform.serve()
            log.warning("%s ended by itself", platform.name)
        except UserError:
            raise
        except Exception:
            log.exception("%s fell over", platform.name)
        pause = _FIRST_PAUSE if clock.time() - began > _STEADY else pause
        log.info("starting %s again in %g s", platform.name, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


@contextmanager
def _on_signals(stop: asyncio.Event) -> Generator[None]:
    def react() -> None:
        if stop.is_set():
            # What was acknowledged is on the disk; the kernel gives the locks back.
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, react)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
