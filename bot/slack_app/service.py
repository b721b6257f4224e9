"""The Slack platform: logs in, keeps the connection, and ends what runs when it stops."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
from slack_bolt.app.async_app import AsyncApp

from bot.config import SlackConfig
from bot.platform import Dispatcher
from bot.slack_app.api import Api
from bot.slack_app.connection import Connection, signed_http, socket_mode
from bot.slack_app.desk import Desk
from bot.slack_app.errors import missing_scopes
from bot.slack_app.incoming import PLATFORM
from bot.slack_app.surfaces import PACE

SCOPES = frozenset(
    {
        "app_mentions:read",
        "chat:write",
        "commands",
        "files:write",
        "im:history",
        "im:write",
        "users:read",
    }
)
"""What the app must be allowed to do; the manifest in docs/admins/slack.md asks for the same."""

_TIMEOUT = 30.0
"""Seconds for one call of the Web API."""


class SlackPlatform:
    """Serves one Slack app in one workspace."""

    name = PLATFORM

    def __init__(self, config: SlackConfig, dispatcher: Dispatcher, *, pace: float = PACE) -> None:
        """`pace` is the least seconds between two edits of a message."""
        self._config = config
        self._dispatcher = dispatcher
        self._pace = pace
        self._connection: Connection | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether Slack's events reach the bot."""
        return self._connection is not None and self._connection.ready

    @property
    def url(self) -> str | None:
        """The address at which Slack's requests are taken, in http mode."""
        return self._connection.url if self._connection is not None else None

    async def serve(self) -> None:
        """Stay connected until cancelled.

        Raises `UserError` where a token is refused, a scope lacks or the port is taken, and
        `ConnectionError` when the connection is lost for good.
        """
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            app = AsyncApp(
                token=self._config.bot_token.read().get_secret_value(),
                logger=logging.getLogger("slack_bolt"),
            )
            api = Api(app.client, self._config.api_url, session)
            bot_user = await self._log_in(api)
            Desk(api, self._dispatcher, bot_user, self._start, self._pace).listen(app)
            try:
                async with self._connect(app, api) as self._connection:
                    await self._connection.lasting()
            finally:
                self._connection = None
                await self._end_calls()

    async def _log_in(self, api: Api) -> str:
        """Return the bot's user id, once its token and scopes are found to be good."""
        bot_user, granted = await api.log_in(self._config.bot_token)
        # Where a proxy drops Slack's list, a missing scope shows when it is needed.
        if granted and (lacking := SCOPES - granted):
            raise missing_scopes(sorted(lacking))
        return bot_user

    def _connect(self, app: AsyncApp, api: Api) -> AbstractAsyncContextManager[Connection]:
        config = self._config
        if config.mode == "socket":
            return socket_mode(app, api, config.app_token)
        return signed_http(app, config.signing_secret, config.host, config.port)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _end_calls(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
