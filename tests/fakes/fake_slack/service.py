"""The fake Slack itself: one local server, and people who use the app."""

from itertools import count
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.fake_slack import payloads
from tests.fakes.fake_slack.delivery import SignedHttp, SocketMode
from tests.fakes.fake_slack.web_api import ApiError, WebApi
from tests.fakes.fake_slack.world import BOT_USER, Message, Workspace, typed

RESPONSE_URL_USES = 5


class FakeSlack:
    """`async with FakeSlack() as slack:` serves until the block ends.

    Events go through Socket Mode; through signed HTTP once `app_url` is set.
    """

    def __init__(self) -> None:
        self.world = Workspace()
        self.api = WebApi(self.world)
        self.socket_mode = SocketMode()
        self.app_url: str | None = None
        self.echoed: list[Any] = []
        """What the app answered to slash commands directly."""
        self._numbers = count(1)
        self._response_urls: dict[str, tuple[str, str, int]] = {}
        self._runner: web.AppRunner | None = None

    @property
    def api_url(self) -> str:
        """Where the Web API is."""
        return f"{self.api.base_url}/api/"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_get("/link", self.socket_mode.accept)
        app.router.add_post("/upload/{file}", self._upload)
        app.router.add_post("/response/{key}", self._respond)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.api.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self.socket_mode.close()
        await self._runner.cleanup()

    # What people do.

    async def slash(
        self,
        text: str,
        *,
        user: str = "ada",
        admin: bool = False,
        channel: str = "C0GENERAL",
        trigger: str | None = None,
    ) -> None:
        """Type `/chinwag text`; back when the app has acknowledged it."""
        person = self.world.person(user, admin=admin)
        key = f"R{next(self._numbers)}"
        self._response_urls[key] = (channel, person.id, RESPONSE_URL_USES)
        payload = payloads.slash_command(
            typed(text),
            by=person,
            channel=channel,
            trigger=trigger or f"T{next(self._numbers)}",
            response_url=f"{self.api.base_url}/response/{key}",
        )
        self.echoed.append(await self._delivery.deliver("slash_commands", payload))

    async def mention(
        self,
        text: str,
        *,
        user: str = "ada",
        admin: bool = False,
        channel: str = "C0GENERAL",
        thread_ts: str | None = None,
    ) -> str:
        """Write `@chinwag text` into a channel or a thread; the message's timestamp."""
        person, ts = self.world.person(user, admin=admin), self.world.next_ts()
        raw = f"<@{BOT_USER}> {typed(text)}"
        event = payloads.mention(raw, by=person, channel=channel, ts=ts, thread_ts=thread_ts)
        await self.event(event)
        return ts

    async def direct(self, text: str, *, user: str = "ada", **more: Any) -> str:
        """Write to the bot in the direct conversation with it; the message's timestamp."""
        person, ts = self.world.person(user), self.world.next_ts()
        event = payloads.message(typed(text), by=person, channel=f"D{person.id}", ts=ts, **more)
        await self.event(event)
        return ts

    async def event(
        self, event: dict[str, Any], *, event_id: str | None = None, retry: int = 0
    ) -> None:
        """Deliver any event."""
        event_id = event_id or f"Ev{next(self._numbers)}"
        await self._delivery.deliver(
            "events_api", payloads.event_callback(event, event_id), retry=retry
        )

    @property
    def _delivery(self) -> SocketMode | SignedHttp:
        return SignedHttp(self.app_url) if self.app_url else self.socket_mode

    # What the app asks.

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        headers = {"x-oauth-scopes": ",".join(sorted(self.api.scopes))}
        if self.api.limited[method] > 0:
            self.api.limited[method] -= 1
            error = {"ok": False, "error": "ratelimited"}
            return web.json_response(error, status=429, headers={"Retry-After": "0"})
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            answer = self.api.answer(method, token, await _arguments(request))
        except ApiError as error:
            answer = error.answer
        return web.json_response(answer, headers=headers)

    async def _upload(self, request: web.Request) -> web.Response:
        self.api.uploads[request.match_info["file"]] = (await request.read()).decode()
        return web.Response(text="OK")

    async def _respond(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        channel, user, uses = self._response_urls[key]
        if uses == 0:
            return web.Response(status=404, text="used_url")
        self._response_urls[key] = channel, user, uses - 1
        body = await request.json()
        everybody = body.get("response_type") == "in_channel"
        message = Message(channel, self.world.next_ts(), "", private_to=None if everybody else user)
        message.write(body["text"], link_names=False, parse="none")
        self.world.messages.append(message)
        return web.Response(text="ok")


async def _arguments(request: web.Request) -> dict[str, Any]:
    """Arguments come as JSON, form or query string."""
    if request.content_type == "application/json":
        return {**request.query, **await request.json()}
    return {**request.query, **await request.post()}
