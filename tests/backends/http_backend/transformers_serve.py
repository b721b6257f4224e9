"""`transformers serve`, in the environment that `make test` sets up for it."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

PROGRAM = Path(sys.prefix) / "serving" / "bin" / "transformers"
START = 120.0
"""Seconds after which a server that does not answer counts as broken."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: Process


@asynccontextmanager
async def serve(checkpoint: Path) -> AsyncIterator[Server]:
    """Serve a checkpoint; only continuous integration insists on the environment."""
    if not PROGRAM.exists():
        reason = "`transformers serve` has no environment here: `make test` sets it up"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        *(PROGRAM, "serve", checkpoint, "--device", "cpu", "--port", str(port)),
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        await _answers(f"http://127.0.0.1:{port}/health", process)
        yield Server(f"http://127.0.0.1:{port}/v1", process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def _answers(url: str, process: Process) -> None:
    """Wait until the server is up."""
    async with asyncio.timeout(START), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, "transformers serve ended at its start"
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
