"""How Slack's events reach the bot: over a websocket that the bot opens, or as signed POSTs."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import parse_qsl

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient

from backends import UserError
from bot.secret import Secret
from bot.slack_app.api import Api

log = logging.getLogger(__name__)

PATH = "/slack/events"
"""The request URL's path, for events and the slash command alike."""

_CONNECT = 30.0
"""Seconds for the first connection: the SDK itself would try for ever, silently."""
_CHECK = 5.0
"""Seconds between two looks at the connection."""
_LOST = 60.0
"""Seconds without a connection after which everything is opened anew.

The SDK reconnects by itself, but tries one address for ever, also when it is no longer valid.
"""


class Connection(Protocol):
    """Events come in as long as it lasts."""

    @property
    def ready(self) -> bool:
        """Whether they come in now."""
        ...

    @property
    def url(self) -> str | None:
        """The address at which Slack's requests are taken."""
        ...

    async def lasting(self) -> None:
        """Return never; raise `ConnectionError` when the connection is lost for good."""
        ...


@asynccontextmanager
async def socket_mode(app: AsyncApp, api: Api, token: Secret) -> AsyncGenerator[Connection]:
    """Stay connected by websocket. Raises `UserError` where the app-level token is refused."""
    # Asked for here, not by the SDK, which would log a refusal and try again for ever.
    url = await api.socket_url(token)
    handler = AsyncSocketModeHandler(app, token.read().get_secret_value())
    handler.client.wss_uri = url
    try:
        async with asyncio.timeout(_CONNECT):
            await handler.connect_async()
        yield _Socket(handler.client)
    finally:
        await handler.close_async()


class _Socket:
    url = None

    def __init__(self, client: SocketModeClient) -> None:
        self._client = client

    @property
    def ready(self) -> bool:
        session = self._client.current_session
        return session is not None and not session.closed and not self._client.stale

    async def lasting(self) -> None:
        seen = time.monotonic()
        while time.monotonic() - seen < _LOST:
            await asyncio.sleep(_CHECK)
            if await self._client.is_connected():
                seen = time.monotonic()
        raise ConnectionError(f"no connection to Slack for {_LOST:g} seconds")


@asynccontextmanager
async def signed_http(
    app: AsyncApp, signing_secret: Secret, host: str, port: int
) -> AsyncGenerator[Connection]:
    """Take Slack's requests on this address. Raises `UserError` where it cannot be used."""
    verifier = SignatureVerifier(signing_secret.read().get_secret_value())
    server = web.Application()
    server.router.add_post(PATH, _Inbox(app, verifier).take)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        bound_host, bound_port, *_ = runner.addresses[0]
        listening = _Listening(f"http://{bound_host}:{bound_port}{PATH}")
        log.info("taking Slack's requests at %s", listening.url)
        yield listening
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise UserError(
            f"Slack's requests cannot be taken on {host} port {port}: {error.strerror}. "
            "Stop what uses it, or set another host or port under [slack]."
        ) from error


class _Listening:
    ready = True

    def __init__(self, url: str) -> None:
        self.url = url

    async def lasting(self) -> None:
        await asyncio.Event().wait()


class _Inbox:
    """Checks and reads a request, then hands it to Bolt as if it had come by websocket.

    Bolt's own way fails on a timestamp that is no number and on JSON that is broken, both with a
    server error, and it drops a slash command whose text holds the word "payload".
    """

    def __init__(self, app: AsyncApp, verifier: SignatureVerifier) -> None:
        self._app = app
        self._verifier = verifier

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if not self._is_slacks(raw, request):
            return web.Response(status=401, text="The signature is not Slack's.")
        try:
            body = _read(raw.decode("utf-8"), request.content_type)
        except ValueError:
            return web.Response(status=400, text="The body is neither a form nor a JSON object.")
        answer = await self._app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
        return await to_aiohttp_response(answer)

    def _is_slacks(self, raw: bytes, request: web.Request) -> bool:
        try:
            return self._verifier.is_valid(
                raw,
                request.headers.get("X-Slack-Request-Timestamp", ""),
                request.headers.get("X-Slack-Signature", ""),
            )
        except (ValueError, TypeError):
            # A timestamp that is no number, a body that is not UTF-8, a signature beyond ASCII.
            return False


def _read(body: str, content_type: str) -> dict[str, object]:
    if content_type != "application/json":
        return dict(parse_qsl(body, keep_blank_values=True))
    parsed: object = json.loads(body)
    if not isinstance(parsed, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what else is wrong is a ValueError too
    return {str(key): value for key, value in parsed.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON has no static type
