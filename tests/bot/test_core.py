import asyncio
import sys
from pathlib import Path

import pytest

from plugins.loader import load_plugins
from tests.core import ECHO, running_core

PLUGIN = """
from plugins import hookimpl
calls = []

@hookimpl
def startup():
    calls.append("started")

@hookimpl
async def shutdown():
    calls.append("stopped")
"""


async def test_plugins_are_started_and_stopped_awaited_where_they_are_async(
    tmp_path: Path,
):
    (tmp_path / "life.py").write_text(PLUGIN)
    registry = load_plugins(tmp_path)
    calls = sys.modules["chinwag_plugin_life"].calls
    async with running_core(tmp_path, ECHO, registry):
        assert calls == ["started"]
    assert calls == ["started", "stopped"]


async def test_a_startup_that_fails_is_logged_and_the_bot_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "bad.py").write_text(PLUGIN.replace('calls.append("started")', "1 / 0"))
    async with running_core(tmp_path, ECHO, load_plugins(tmp_path)) as core:
        assert await core.models.names() == ["echo"]
    assert "startup of the plugin bad failed" in caplog.text


async def test_closing_leaves_no_task_behind(tmp_path: Path):
    before = asyncio.all_tasks()
    async with running_core(tmp_path) as core:
        await core.store.claim("x")
    assert asyncio.all_tasks() == before
