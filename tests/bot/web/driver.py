"""The web platform on a free port, and a browser's hands and eyes without the browser."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from unittest import mock

import aiohttp

from bot.config import WebConfig
from bot.platform import Dispatcher
from bot.web import WebPlatform
from bot.web.server import SettingsAt
from bot.web.surface import WebSurface
from plugins.vocabulary import Request, Settings
from tests.contract import Seen
from tests.waiting import until


@dataclass
class Answer:
    """What the page would show of one call."""

    versions: list[list[str]] = field(default_factory=list[list[str]])
    refusals: list[str] = field(default_factory=list[str])
    notices: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])
    ended: dict[str, Any] | None = None
    """The last event, once it came."""

    def take(self, event: dict[str, Any]) -> None:
        text = event.get("text", "")
        match event["type"]:
            case "notice":
                assert not self.versions, "a notice stands for the answer, never beside it"
                self.notices.append(text)
            case "post":
                self.versions.append([text])
            case "append":
                message = self.versions[event["message"]]
                message.append(message[-1] + text)
            case "edit":
                self.versions[event["message"]].append(text)
            case "attach":
                self.files.append(text)
            case "refuse":
                self.refusals.append(text)
            case _:
                self.ended = event

    def seen(self) -> list[Seen]:
        return [
            *(Seen(text=texts[-1], versions=tuple(texts)) for texts in self.versions),
            *(Seen(text=sentence) for sentence in self.refusals),
            *(Seen(text="", file=text) for text in self.files),
        ]


class WebDriver:
    """Several browsers on the page of #lab. Each sees only its own conversation."""

    limit = 2000
    can_whisper = False
    has_admins = False

    def __init__(
        self, address: str, http: aiohttp.ClientSession, serving: asyncio.Task[None]
    ) -> None:
        self.address = address
        self.http = http
        self._serving = serving
        self.answers: list[Answer] = []
        self._numbers = count(1)
        self._tasks: list[asyncio.Task[None]] = []

    async def call(
        self,
        command: str,
        options: Mapping[str, object],
        *,
        user: str = "ada",
        admin: bool = False,
        event: str | None = None,
    ) -> None:
        named = "".join(f' --{key} "{value}"' for key, value in options.items() if key != "text")
        text = f" -- {options['text']}" if "text" in options else ""
        await self.type(f"/{command}{named}{text}", user=user, event=event)

    async def say(self, text: str, *, user: str = "ada") -> None:
        await self.type(text, user=user)

    async def type(self, line: str, *, user: str = "ada", event: str | None = None) -> Answer:
        """Send a line; the answer fills as it streams in."""
        answer = Answer()
        body = {"id": f"call-{event or next(self._numbers):0>8}", "channel": "lab", "text": line}
        self.answers.append(answer)
        sent = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._stream(body, user, answer, sent)))
        await sent.wait()
        return answer

    async def _stream(
        self, body: Mapping[str, str], user: str, answer: Answer, sent: asyncio.Event
    ) -> None:
        cookies = {"Cookie": f"chinwag_browser={user:_<22}"}
        url = f"{self.address}/api/calls"
        try:
            async with self.http.post(url, json=body, headers=cookies) as response:
                sent.set()
                if response.status == 200:
                    async for line in response.content:
                        answer.take(json.loads(line))
        finally:
            sent.set()

    def seen(self) -> list[Seen]:
        return [seen for answer in self.answers for seen in answer.seen()]

    async def read_all(self) -> None:
        """Wait until every answer has been read to its end."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        self._serving.cancel()
        await asyncio.gather(self._serving, *self._tasks, return_exceptions=True)


async def no_settings(request: Request) -> Settings:
    raise AssertionError(f"nobody asked for the settings of {request.channel}")


@asynccontextmanager
async def driving(
    dispatcher: Dispatcher,
    settings_at: SettingsAt = no_settings,
    config: WebConfig | None = None,
    **more: Any,
) -> AsyncIterator[WebDriver]:
    """Serve a dispatcher on a free port until the block ends."""
    config = config or WebConfig(enabled=True, port=0)
    platform = WebPlatform(config, dispatcher, settings_at, **more)
    serving = asyncio.create_task(platform.serve())
    await until(lambda: platform.ready or serving.done(), "the page is served")
    assert platform.address, serving.exception()
    # A small limit keeps the contract's long texts short.
    with mock.patch.object(WebSurface, "limit", WebDriver.limit):
        async with aiohttp.ClientSession() as http:
            driver = WebDriver(platform.address, http, serving)
            try:
                yield driver
            finally:
                await driver.stop()
