"""The few methods of Slack's Web API that the bot calls, typed, with errors made readable."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# The SDK's signatures hold bare dicts and untyped **kwargs; here is where that ends.

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.secret import Secret
from bot.slack_app.errors import refused_token, sentence
from bot.slack_app.markup import to_slack

_RETRIES = 5
"""How often a call that Slack limits is tried again, each time after as long as Slack says."""

_AS_TEXT: dict[str, Any] = {"link_names": False, "parse": "none"}
"""Said with every text, edits included: what an edit leaves out falls back to Slack's defaults."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody asked: a channel, perhaps a thread in it, and who it was."""

    channel: str
    user: str
    thread_ts: str | None = None

    @property
    def is_direct(self) -> bool:
        """Whether it is a conversation of two."""
        return self.channel.startswith("D")


class Api:
    """Calls Slack with a client that Bolt made.

    The methods that show something raise `UserError` for what somebody can mend, and else what
    the SDK raises. All texts are escaped here.
    """

    def __init__(self, client: AsyncWebClient, url: str, session: aiohttp.ClientSession) -> None:
        client.base_url = url
        client.session = session
        client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=_RETRIES))
        self._client = client

    async def log_in(self, token: Secret) -> tuple[str, frozenset[str]]:
        """Return the bot's user id and its scopes, none where Slack does not list them.

        Raises `UserError` where Slack refuses the client's token, which is kept in `token`.
        """
        try:
            answer = await self._client.auth_test()
        except SlackApiError as error:
            raise refused_token(error, "bot token", token) or error from error
        listed = str(cast(Mapping[str, str], answer.headers).get("x-oauth-scopes", ""))
        return str(answer["user_id"]), frozenset(listed.replace(",", " ").split())

    async def socket_url(self, token: Secret) -> str:
        """Return the address of a new websocket. Raises `UserError` where the token is refused."""
        secret = token.read().get_secret_value()
        try:
            answer = await self._client.apps_connections_open(app_token=secret)
        except SlackApiError as error:
            raise refused_token(error, "app-level token", token) or error from error
        return str(answer["url"])

    async def user(self, user: str) -> Mapping[str, Any]:
        """Return what Slack tells about a user."""
        answer = await self._client.users_info(user=user)
        return cast(Mapping[str, Any], answer["user"])

    async def post(self, place: Place, text: str) -> str:
        """Show a new message to everybody in the channel or thread; return its timestamp."""
        async with _readable():
            answer = await self._client.chat_postMessage(
                channel=place.channel,
                thread_ts=place.thread_ts,
                text=to_slack(text),
                unfurl_links=False,
                unfurl_media=False,
                **_AS_TEXT,
            )
        return str(answer["ts"])

    async def edit(self, place: Place, ts: str, text: str) -> None:
        """Replace the text of a message."""
        await self._client.chat_update(
            channel=place.channel, ts=ts, text=to_slack(text), **_AS_TEXT
        )

    async def delete(self, place: Place, ts: str) -> None:
        """Take a message of the bot's away."""
        await self._client.chat_delete(channel=place.channel, ts=ts)

    async def whisper(self, place: Place, text: str) -> None:
        """Show a message to the asker alone, where the bot is a member."""
        async with _readable():
            await self._client.chat_postEphemeral(
                channel=place.channel,
                user=place.user,
                thread_ts=place.thread_ts,
                text=to_slack(text),
                **_AS_TEXT,
            )

    async def share(self, place: Place, filename: str, text: str) -> None:
        """Show a text as a file to everybody in the channel or thread."""
        async with _readable():
            await self._client.files_upload_v2(
                channel=place.channel, thread_ts=place.thread_ts, filename=filename, content=text
            )

    async def direct(self, user: str) -> Place:
        """Return the bot's direct conversation with a user."""
        async with _readable():
            answer = await self._client.conversations_open(users=user)
        return Place(str(cast(Mapping[str, Any], answer["channel"])["id"]), user)


@asynccontextmanager
async def _readable() -> AsyncGenerator[None]:
    try:
        yield
    except SlackApiError as error:
        raise sentence(error) or error from error
