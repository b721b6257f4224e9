"""The server behind the page: its files, its small API, and its life as a platform."""

import asyncio
import errno
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, ValidationError

from backends import UserError, Value
from bot.config import WebConfig
from bot.platform import Dispatcher
from bot.web.calls import CALL_ID, Calls
from bot.web.guard import PAGE, Guard, set_cookie
from plugins.values import show_value
from plugins.vocabulary import Command, Option, Request, Settings

BROWSER_COOKIE = "chinwag_browser"
BROWSER_ID = re.compile(r"[0-9A-Za-z_-]{22}")
GUILD = "web"
LARGEST_BODY = 256 * 1024
"""Bytes of one request: room for the longest prompt anybody types."""

SettingsAt = Callable[[Request], Awaitable[Settings]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_B = TypeVar("_B", bound=_Body)


class _CallBody(_Body):
    id: str
    channel: str
    text: str


class _CompleteBody(_Body):
    channel: str
    command: str
    option: str
    typed: str
    given: dict[str, str]


class WebPlatform:
    """Serves the page and answers its calls."""

    name = "web"

    def __init__(
        self,
        config: WebConfig,
        dispatcher: Dispatcher,
        settings_at: SettingsAt,
        *,
        write_timeout: float = 30,
    ) -> None:
        """Prepare the app. Raises `UserError` where it would be open to strangers.

        `settings_at` tells what counts in a channel, for the head of the page. A stream whose
        reader takes nothing for `write_timeout` seconds is given up.
        """
        self._config = config
        self._dispatcher = dispatcher
        self._settings_at = settings_at
        self._calls = Calls(dispatcher, write_timeout)
        self._address: str | None = None
        self._app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_sentences])
        token = config.token.read().get_secret_value() if config.token else None
        Guard(config.host, token).install(self._app)
        self._add_routes()

    @property
    def ready(self) -> bool:
        """Whether the port is open."""
        return self._address is not None

    @property
    def address(self) -> str | None:
        """Where the page is, such as `http://127.0.0.1:8080`; `None` while not serving."""
        return self._address

    def _add_routes(self) -> None:
        router = self._app.router
        router.add_get("/", self._index)
        router.add_static("/page/", PAGE)
        router.add_get("/api/page", self._describe)
        router.add_get("/api/channels/{channel}", self._describe_channel)
        router.add_post("/api/complete", self._complete)
        router.add_post("/api/calls", self._call)
        router.add_delete("/api/calls/{id}", self._stop)

    async def serve(self) -> None:
        """Serve until cancelled, then end running calls. Raises `UserError` for a taken port."""
        runner = web.AppRunner(
            self._app, handler_cancellation=True, access_log=None, shutdown_timeout=5
        )
        await runner.setup()
        try:
            await self._listen(runner)
            await asyncio.Event().wait()
        finally:
            self._address = None
            await self._calls.close()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self._config.host, self._config.port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise UserError(_cannot_listen(error, host, port)) from error
        bound = runner.addresses[0][1]
        self._address = f"http://{f'[{host}]' if ':' in host else host}:{bound}"

    async def _index(self, http: web.Request) -> web.StreamResponse:
        response = web.FileResponse(PAGE / "index.html")
        if not BROWSER_ID.fullmatch(http.cookies.get(BROWSER_COOKIE, "")):
            set_cookie(http, response, BROWSER_COOKIE, secrets.token_urlsafe(16))
        return response

    async def _describe(self, _http: web.Request) -> web.StreamResponse:
        channels = [
            {"name": name, "topic": channel.topic, "examples": channel.examples}
            for name, channel in self._config.channels.items()
        ]
        commands = [_command(command) for command in self._dispatcher.commands]
        return web.json_response({"channels": channels, "commands": commands})

    async def _describe_channel(self, http: web.Request) -> web.StreamResponse:
        """The settings that count in a channel, in the order of their declaration."""
        settings = await self._settings_at(self._request(http, http.match_info["channel"]))
        decisions = [settings.decision(setting.name) for setting in settings.declared()]
        return web.json_response(
            [{"key": d.key, "value": show_value(d.value), "layer": d.layer} for d in decisions]
        )

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        body = await _read(http, _CompleteBody)
        proposals = await self._dispatcher.complete(
            self._request(http, body.channel), body.command, body.option, body.typed, body.given
        )
        return web.json_response(proposals)

    async def _call(self, http: web.Request) -> web.StreamResponse:
        body = await _read(http, _CallBody)
        if not CALL_ID.fullmatch(body.id):
            raise UserError("The id of a call has 8 to 64 letters, digits and hyphens.")
        return await self._calls.answer(http, self._request(http, body.channel, body.id), body.text)

    async def _stop(self, http: web.Request) -> web.StreamResponse:
        """Call off a call of this browser. 204 also where it has just ended."""
        self._calls.stop(f"{_browser(http)}:{http.match_info['id']}")
        return web.Response(status=204)

    def _request(self, http: web.Request, channel: str, call_id: str = "") -> Request:
        if channel not in self._config.channels:
            raise UserError(f"There is no channel #{channel} here. Load the page again.")
        browser = _browser(http)
        return Request(
            id=f"{browser}:{call_id}",
            platform="web",
            guild=GUILD,
            channel=channel,
            channel_name=channel,
            user=browser,
            user_name="someone on the web page",
            is_admin=True,  # the local user, or one who knows the token
        )


@web.middleware
async def _sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the API's errors as JSON with one sentence."""
    try:
        return await handler(request)
    except UserError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPRequestEntityTooLarge:
        sentence = f"This is too long: at most {LARGEST_BODY // 1024} KiB can be sent at once."
        return web.json_response({"error": sentence}, status=413)
    except web.HTTPException as error:
        if error.status < 400 or not request.path.startswith("/api/"):
            raise
        return web.json_response({"error": error.text}, status=error.status)


async def _read(http: web.Request, body: type[_B]) -> _B:
    """Read a JSON body. A cross-site form cannot send this content type without being asked."""
    if http.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send application/json.")
    try:
        return body.model_validate_json(await http.read())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"This request is malformed{f' at {where}' if where else ''}.") from error


def _browser(http: web.Request) -> str:
    """The user: whoever holds this browser's cookie."""
    found = http.cookies.get(BROWSER_COOKIE, "")
    return found if BROWSER_ID.fullmatch(found) else "anonymous"


def _command(command: Command) -> Mapping[str, object]:
    return {
        "name": command.name,
        "help": command.help,
        "example": command.example,
        "writes": command.takes_settings,
        "options": [_option(option) for option in command.options],
    }


def _option(option: Option) -> Mapping[str, Value | None | list[str]]:
    return {
        "name": option.name,
        "kind": option.kind,
        "help": option.help,
        "default": option.default,
        "required": option.required,
        "minimum": option.minimum,
        "maximum": option.maximum,
        "choices": list(option.choices),
        "complete": option.complete,
    }


def _cannot_listen(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use, perhaps by another chinwag. Choose another: "
            f"`make demo PORT={port + 1}`, or `port` in the [web] section of the config."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this program has. Choose one above 1023."
    return f"The web page cannot listen on {host}: {error.strerror}. Check `host` in [web]."
