import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from backends import UserError
from bot.config import Config
from bot.core import Core
from bot.health import telling_health
from bot.status import ModelStatus, Spread, Status, ask_status, describe, show
from tests.core import ECHO, ask, running_core


def config(folder: Path, port: int) -> Config:
    return Config.model_validate({"data_dir": folder / "data", "health": {"port": port}})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@asynccontextmanager
async def telling(folder: Path) -> AsyncIterator[tuple[Core, int]]:
    port = free_port()
    async with (
        running_core(folder, {**ECHO, "health": {"port": port}}) as core,
        telling_health(core, []),
    ):
        yield core, port


async def test_a_running_bot_tells_what_it_did(tmp_path: Path):
    async with telling(tmp_path) as (core, port):
        await ask(core, "generate", text="one two three")
        status = await ask_status(config(tmp_path, port))
    (model,) = status.models
    assert (model.model, model.open, model.running, model.waiting) == ("echo", True, 0, 0)
    assert model.tokens_per_second > 0
    assert model.time_to_first_token.median is not None
    assert model.between_tokens.p95 is not None
    assert (status.queue_depth, status.stopping, status.platforms) == (0, False, {})


async def test_where_no_bot_answers_that_is_said(tmp_path: Path):
    with pytest.raises(UserError, match=r"No bot answers at http://127.0.0.1:.*bot run"):
        await ask_status(config(tmp_path, free_port()))


@pytest.mark.parametrize("health", [{"enabled": False}, {"port": 0}])
async def test_where_it_cannot_be_asked_it_is_said_what_to_configure(health: dict[str, object]):
    with pytest.raises(UserError, match=r"`enabled = true` and a fixed `port`"):
        await ask_status(Config.model_validate({"health": health}))


async def test_the_bot_of_another_config_is_not_taken_for_this_one(tmp_path: Path):
    async with telling(tmp_path / "one") as (_, port):
        with pytest.raises(UserError, match="is another one"):
            await ask_status(config(tmp_path / "other", port))


@pytest.mark.parametrize("answer", ["hello", "{}", '{"uptime": "x"}', b"\xff\xfe"])
async def test_something_else_on_that_port_is_told_in_a_sentence(
    tmp_path: Path, answer: str | bytes
):
    async def other(_request: web.Request) -> web.Response:
        body = answer if isinstance(answer, bytes) else answer.encode()
        return web.Response(body=body, content_type="text/plain", charset="utf-8")

    app = web.Application()
    app.router.add_get("/status", other)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.raises(UserError, match="no chinwag of this version"):
            await ask_status(config(tmp_path, runner.addresses[0][1]))
    finally:
        await runner.cleanup()


async def test_json_and_page_tell_the_same(tmp_path: Path):
    async with running_core(tmp_path) as core:
        await ask(core, "generate", text="x y")
        status = describe(core, [], uptime=3_700, lag=0.0)
    page = show(status)
    assert json.loads(status.model_dump_json())["models"][0]["model"] == "echo"
    assert "1 h 1 min" in page
    assert re.search(r"^echo +0 +0 ", page, re.MULTILINE)


def test_a_page_has_a_row_for_each_model_and_says_what_is_not_well():
    model = ModelStatus(
        model="ask",
        open=True,
        running=2,
        waiting=5,
        slots=8,
        slots_active=3,
        tokens_per_second=181.25,
        time_to_first_token=Spread(median=0.0421, p95=1.5),
        between_tokens=Spread(),
        cache_usage=0.25,
        memory_bytes=178_000_000,
    )
    asleep = model.model_copy(update={"model": "stage", "open": False, "slots": None})
    status = Status(
        data_dir="/data",
        uptime=90_061,
        loop_lag=0,
        stopping=True,
        platforms={"web": True, "slack": False},
        queue_depth=5,
        models=[model, asleep],
    )
    lines = show(status).splitlines()
    assert lines[0] == "platforms  web ready, slack NOT READY (the bot is stopping)"
    assert lines[1:3] == ["uptime     1 d 1 h", "waiting    5"]
    cells = re.split(r" {2,}", lines[-2])
    assert cells == ["ask", "2", "5", "3/8", "181.2", "42.1 ms / 1.5 s", "-", "25%", "178 MB"]
    assert "closed" in lines[-1]


def test_before_the_first_question_there_is_no_table():
    status = Status(
        data_dir="/data", uptime=5, loop_lag=0, stopping=False, platforms={"web": True},
        queue_depth=0, models=[],
    )  # fmt: skip
    assert show(status).endswith("uptime     5 s\nwaiting    0\n\nNo model was used yet.")
