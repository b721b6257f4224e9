"""The page's server: who is let in, what is refused, how a call ends."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import pytest

from backends import UserError
from bot.config import WebConfig
from bot.secret import Secret
from bot.web import WebPlatform
from bot.web.server import LARGEST_BODY
from tests.bot.web.driver import WebDriver, driving, no_settings
from tests.contract import CONFIG, Watched, numbered
from tests.core import running_core
from tests.waiting import until

TOKEN = "a-long-enough-token"  # noqa: S105 - of this test only


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[tuple[WebDriver, Watched]]:
    async with running_core(tmp_path, CONFIG) as core:
        watched = Watched(core.router)
        async with driving(watched, core.settings.at) as driver:
            yield driver, watched


def call_body(**changes: Any) -> dict[str, Any]:
    return {"id": "call-0001", "channel": "lab", "text": "hello", **changes}


async def post(driver: WebDriver, body: Any, headers: Mapping[str, str] | None = None) -> Any:
    url = f"{driver.address}/api/calls"
    async with driver.http.post(url, json=body, headers=headers) as response:
        return response.status, await response.text()


async def test_the_page_and_its_files_are_served_under_a_strict_policy(
    web: tuple[WebDriver, Watched],
):
    driver, _ = web
    for path in ("/", "/page/app.js", "/page/style.css", "/page/icon.svg"):
        async with driver.http.get(driver.address + path) as response:
            assert response.status == 200
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_the_page_is_told_all_commands_and_the_settings_of_a_channel(
    web: tuple[WebDriver, Watched],
):
    driver, watched = web
    async with driver.http.get(f"{driver.address}/api/page") as response:
        page = await response.json()
    async with driver.http.get(f"{driver.address}/api/channels/lab") as response:
        settings = {one["key"]: one for one in await response.json()}
    assert [one["name"] for one in page["commands"]] == [one.name for one in watched.commands]
    assert settings["model"] == {"key": "model", "value": '"echo"', "layer": "config"}


async def test_proposals_come_from_the_core(web: tuple[WebDriver, Watched]):
    driver, _ = web
    asked = {"command": "model use", "option": "name", "typed": "sl", "given": {}}
    url = f"{driver.address}/api/complete"
    async with driver.http.post(url, json={"channel": "lab", **asked}) as response:
        assert await response.json() == ["slow"]


async def test_another_sites_page_may_not_call(web: tuple[WebDriver, Watched]):
    driver, watched = web
    status, _ = await post(driver, call_body(), {"Origin": "https://evil.example"})
    assert (status, watched.calls) == (403, [])


async def test_a_name_bent_to_this_machine_is_refused(web: tuple[WebDriver, Watched]):
    driver, watched = web
    status, _ = await post(driver, call_body(), {"Host": "evil.example"})
    assert (status, watched.calls) == (403, [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        call_body(id="x"),
        call_body(id="../../../../etc"),
        call_body(channel="nowhere"),
        call_body(text=7),
        call_body(more="than asked"),
    ],
)
async def test_a_malformed_call_is_refused_with_a_sentence(
    web: tuple[WebDriver, Watched], body: Any
):
    driver, watched = web
    status, text = await post(driver, body)
    assert (status, watched.calls) == (400, [])
    assert json.loads(text)["error"].endswith(".")


async def test_a_body_that_is_too_large_is_refused(web: tuple[WebDriver, Watched]):
    driver, watched = web
    status, text = await post(driver, call_body(text="x" * LARGEST_BODY))
    assert (status, watched.calls) == (413, [])
    assert "KiB" in json.loads(text)["error"]


async def test_a_wrong_command_is_told_in_the_answer(web: tuple[WebDriver, Watched]):
    driver, _ = web
    answer = await driver.type("/generat text")
    await until(lambda: answer.ended, "the end of the answer")
    (sentence,) = answer.refusals
    assert "generate" in sentence


async def test_a_stopped_call_frees_its_work_and_keeps_what_was_written(
    web: tuple[WebDriver, Watched],
):
    driver, watched = web
    answer = await driver.type(f"/generate --model slow -- {numbered('w', 1500)}", event="7")
    await until(lambda: answer.versions, "the first words")
    headers = {"Cookie": f"chinwag_browser={'ada':_<22}"}
    url = f"{driver.address}/api/calls/call-00000007"
    async with driver.http.delete(url, headers=headers) as response:
        assert response.status == 204
    await watched.quiet(1)
    await until(lambda: answer.ended, "the end of the answer")
    assert answer.ended == {"type": "done", "stopped": True}
    assert answer.versions[0][-1].startswith("w00000")


async def test_nobody_can_stop_the_call_of_another_browser(web: tuple[WebDriver, Watched]):
    driver, watched = web
    text = numbered("w", 300)
    answer = await driver.type(f"/generate --model slow -- {text}", user="ada", event="7")
    headers = {"Cookie": f"chinwag_browser={'bob':_<22}"}
    url = f"{driver.address}/api/calls/call-00000007"
    async with driver.http.delete(url, headers=headers) as response:
        assert response.status == 204
    await watched.quiet(1)
    await until(lambda: answer.ended, "the end of the answer")
    assert answer.versions[0][-1] == text


async def test_a_reader_that_goes_away_ends_its_call(web: tuple[WebDriver, Watched]):
    """The text would take minutes: longer than anything here waits."""
    driver, watched = web
    body = call_body(text=f"/generate --model slow -- {numbered('w', 100_000)}")
    async with driver.http.post(f"{driver.address}/api/calls", json=body) as response:
        await response.content.readline()
        response.close()
    await watched.quiet(1)


async def test_a_taken_port_is_a_sentence_that_says_what_to_do(web: tuple[WebDriver, Watched]):
    driver, watched = web
    port = int(driver.address.rpartition(":")[2])
    platform = WebPlatform(WebConfig(port=port), watched, no_settings)
    with pytest.raises(UserError, match=rf"Port {port} is in use.*make demo PORT="):
        await platform.serve()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104 - refused
async def test_an_open_address_without_a_token_is_refused(host: str):
    with pytest.raises(UserError, match="token"):
        WebPlatform(WebConfig(host=host), Watched(mock.Mock()), no_settings)


async def test_with_a_token_only_those_who_give_it_get_in(tmp_path: Path):
    config = WebConfig(port=0, token=Secret(env="CHINWAG_TEST_WEB_TOKEN"))
    with mock.patch.dict(os.environ, {"CHINWAG_TEST_WEB_TOKEN": TOKEN}):
        async with (
            running_core(tmp_path, CONFIG) as core,
            driving(core.router, core.settings.at, config) as driver,
        ):
            jar = aiohttp.CookieJar(unsafe=True)  # unsafe: it keeps cookies of an IP address
            async with aiohttp.ClientSession(cookie_jar=jar) as browser:
                page = f"{driver.address}/api/page"
                assert (await browser.get(page)).status == 401
                wrong = await browser.get(f"{driver.address}/?token=a-wrong-but-long-token")
                assert (wrong.status, (await browser.get(page)).status) == (401, 401)
                right = await browser.get(f"{driver.address}/?token={TOKEN}")
                assert (right.status, TOKEN in str(right.url)) == (200, False)
                assert (await browser.get(page)).status == 200


async def test_a_token_that_is_easy_to_guess_is_refused():
    with (
        mock.patch.dict(os.environ, {"CHINWAG_TEST_WEB_TOKEN": "short"}),
        pytest.raises(UserError, match="at least 16"),
    ):
        WebPlatform(
            WebConfig(token=Secret(env="CHINWAG_TEST_WEB_TOKEN")),
            Watched(mock.Mock()),
            no_settings,
        )


async def test_a_browser_that_reads_nothing_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    async with (
        running_core(tmp_path, CONFIG) as core,
        driving(core.router, write_timeout=0.2) as driver,
    ):
        port = int(driver.address.rpartition(":")[2])
        # Nothing is ever read from this socket; the answer is larger than all buffers on the way.
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        body = json.dumps(call_body(text="/generate n=64 -- " + "x" * 200_000)).encode()
        writer.write(
            b"POST /api/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await writer.drain()
        await until(lambda: "stopped reading" in caplog.text, "the browser is given up")
        writer.close()
        assert not reader.at_eof()
