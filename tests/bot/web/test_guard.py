"""Strangers are turned away: bent names, other sites, other paths, wrong tokens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.config import WebConfig
from bot.secret import Secret
from bot.web.guard import is_loopback
from tests.bot.web.driver import WebDriver, driving
from tests.contract import CONFIG
from tests.core import running_core

TOKEN = "a token of enough characters"  # noqa: S105 - of this test only


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[WebDriver]:
    async with running_core(tmp_path, CONFIG) as core, driving(core.router) as driver:
        yield driver


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[WebDriver]:
    place = tmp_path / "token"
    place.write_text(TOKEN, encoding="utf-8")
    config = WebConfig(port=0, token=Secret(file=place))
    async with (
        running_core(tmp_path, CONFIG) as core,
        driving(core.router, config=config) as driver,
    ):
        yield driver


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "bot.localhost"])
def test_these_mean_this_machine(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "localhost.evil.example", "127.0.0.1.x"])  # noqa: S104 - compared only
def test_these_do_not_mean_this_machine(host: str):
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[", "a b"])
@pytest.mark.parametrize("path", ["/", "/api/page", "/page/app.js"])
async def test_a_name_that_was_bent_to_this_machine_gets_nothing(
    web: WebDriver, host: str, path: str
):
    async with web.http.get(web.address + path, headers={"Host": host}) as answer:
        assert answer.status in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
async def test_other_sites_and_other_ports_cannot_call(web: WebDriver, origin: str):
    body = {"id": "call-0001", "channel": "lab", "text": "hello"}
    url = f"{web.address}/api/calls"
    async with web.http.post(url, json=body, headers={"Origin": origin}) as answer:
        assert answer.status == 403


async def test_a_call_must_be_json_which_no_foreign_form_can_send(web: WebDriver):
    body = b'{"id": "call-0001", "channel": "lab", "text": "hello"}'
    headers = {"Content-Type": "text/plain"}
    async with web.http.post(f"{web.address}/api/calls", data=body, headers=headers) as answer:
        assert answer.status == 415


async def test_no_answer_goes_out_without_its_policy(web: WebDriver):
    for path in ("/", "/page/app.js", "/api/page", "/nowhere"):
        async with web.http.get(web.address + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/page/../server.py", "/page/%2e%2e/server.py", "/page/"])
async def test_only_the_pages_own_files_are_served(web: WebDriver, path: str):
    port = int(web.address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # By hand: a client would tidy the path up before sending it.
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.split()[1] in (b"403", b"404")


async def test_without_the_token_there_is_a_login_and_nothing_else(locked: WebDriver):
    async with locked.http.get(locked.address) as page:
        assert page.status == 401
        assert 'name="token"' in await page.text()
    for path in ("/api/page", "/api/channels/lab"):
        async with locked.http.get(locked.address + path) as answer:
            assert answer.status == 401
    body = {"id": "call-0001", "channel": "lab", "text": "hello"}
    async with locked.http.post(f"{locked.address}/api/calls", json=body) as answer:
        assert answer.status == 401


async def test_a_wrong_token_is_told_so_and_stays_outside(locked: WebDriver):
    async with locked.http.post(f"{locked.address}/login", data={"token": "wrong"}) as answer:
        assert answer.status == 401
        assert 'role="alert" class="refusal"' in await answer.text()
        assert "Set-Cookie" not in answer.headers


async def test_the_login_form_gives_a_cookie_that_is_not_the_token(locked: WebDriver):
    jar = aiohttp.CookieJar(unsafe=True)  # it keeps cookies of bare addresses, as browsers do
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        login = browser.post(f"{locked.address}/login", data={"token": TOKEN})
        async with login as answer:
            assert str(answer.url) == f"{locked.address}/"
            assert answer.status == 200
            cookie = answer.history[0].headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert TOKEN not in cookie
