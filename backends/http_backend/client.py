"""One request to one server: the only place that knows HTTP."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from backends.http_backend.errors import LATER, OPERATOR, ServerError
from backends.http_backend.event_stream import EventStream, EventTooLargeError
from backends.http_backend.events import Event, complaint, read_event
from backends.http_backend.options import HttpOptions

AFTERWORD = 2.0
"""Seconds to wait for the count of tokens and the stream's end when a text has ended."""

_DONE = "[DONE]"
_MOST_COMPLAINT = 16 * 1024
"""The most bytes read of an answer that is no stream."""

_LONGEST_WAIT = 86_400.0
"""Seconds; a server that asks for more than a day means: not today."""

T = TypeVar("T")


def open_session(options: HttpOptions) -> aiohttp.ClientSession:
    """Return a session for all requests of one model; belongs to the running event loop."""
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    if options.key:
        headers["Authorization"] = f"Bearer {options.key}"
    return aiohttp.ClientSession(
        headers=headers,
        # How many requests there are at once is the bot's decision, made before.
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, connect=options.connect_timeout),
    )


class Stream:
    """A request and the events of its answer."""

    def __init__(
        self, session: aiohttp.ClientSession, url: URL, body: dict[str, Any], options: HttpOptions
    ) -> None:
        self.done = False
        """Whether the server said that the stream is complete."""
        self.patience = options.between_tokens_timeout
        """Seconds to wait for the next event."""
        self._session = session
        self._url = url
        self._body = body
        self._options = options
        self._response: aiohttp.ClientResponse | None = None
        self._parser = EventStream()
        self._events = deque[str]()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events; ending early closes the connection at once.

        Raises `ServerError`.
        """
        first = self._options.first_token_timeout
        try:
            event = await self._in_time(first, f"wrote nothing within {first:g} s", self._next())
            while event is not None:
                yield event
                silent = f"wrote nothing more for {self.patience:g} s"
                event = await self._in_time(self.patience, silent, self._next())
        finally:
            if self._response is not None:
                self._response.close()

    async def _in_time(self, seconds: float, late: str, work: Coroutine[Any, Any, T]) -> T:
        """Wait for some work, and translate what can go wrong with it."""
        try:
            async with asyncio.timeout(seconds):
                return await work
        except aiohttp.ConnectionTimeoutError as error:
            limit = self._options.connect_timeout
            raise ServerError(f"took no connection within {limit:g} s", again=True) from error
        except TimeoutError as error:
            raise ServerError(late) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise ServerError("shows a certificate that is not trusted", OPERATOR) from error
        except aiohttp.ClientConnectorError as error:
            raise ServerError("cannot be reached", again=True) from error
        except EventTooLargeError as error:
            raise ServerError("sent an event that is far too large", OPERATOR) from error
        except aiohttp.ClientResponseError as error:
            raise ServerError("answered with something that is no HTTP", OPERATOR) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ServerError("broke the connection", again=True) from error

    async def _open(self) -> aiohttp.ClientResponse:
        response = await self._session.post(self._url, json=self._body, allow_redirects=False)
        self._response = response
        if response.status != 200:
            raise await _refusal(response, self._options)
        if response.content_type != "text/event-stream":
            said = complaint(await _read_some(response), self._options.key)
            raise ServerError("did not answer with a stream of events", OPERATOR, said)
        return response

    async def _next(self) -> Event | None:
        """Return the next event, the first time after asking; `None` at the stream's end."""
        response = self._response or await self._open()
        while not self._events:
            received = await response.content.readany()
            if not received:
                return None
            self._events.extend(self._parser.feed(received))
        data = self._events.popleft()
        if data.strip() == _DONE:
            self.done = True
            return None
        return read_event(data, self._options.key)


async def _refusal(response: aiohttp.ClientResponse, options: HttpOptions) -> ServerError:
    """Return what a status other than 200 means."""
    status = response.status
    if status in (401, 403):
        # What it says may quote the key in part, so it is not shown.
        name = f"the environment variable {options.key_env}" if options.key_env else "'api_key_env'"
        return ServerError(
            f"refused the key ({status})",
            f"It comes from {name}. {OPERATOR}",
            healthy=True,
            elsewhere=True,
        )
    if 300 <= status < 400:
        return ServerError(
            f"redirects elsewhere ({status}), which is not followed",
            f"The final address belongs into `url`. {OPERATOR}",
        )
    said = complaint(await _read_some(response), options.key)
    wait = _retry_after(response.headers.get("Retry-After", ""))
    later = f"Try again in {wait:.0f} s." if wait else LATER
    if status == 429:
        return ServerError("is busy (429)", later, said, again=True, retry_after=wait, healthy=True)
    if status == 408 or status >= 500:
        return ServerError(f"failed ({status})", later, said, again=True, retry_after=wait)
    if status in (404, 405):
        advice = f"Its address is in `url`, its model's name in `model`. {OPERATOR}"
        return ServerError(
            f"does not know the address or the model ({status})",
            advice,
            said,
            healthy=True,
            elsewhere=True,
        )
    advice = "Change the prompt or the settings, or choose another model."
    return ServerError(f"refused the request ({status})", advice, said, healthy=True)


async def _read_some(response: aiohttp.ClientResponse) -> str:
    """Return the beginning of an answer's body."""
    body = b""
    while len(body) < _MOST_COMPLAINT and (received := await response.content.readany()):
        body += received
    return body[:_MOST_COMPLAINT].decode(errors="replace")


def _retry_after(header: str) -> float | None:
    """Return a Retry-After header's seconds (RFC 9110, section 10.2.3); `None` without one."""
    try:
        if header.isdecimal():
            wait = float(header)
        else:
            wait = parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0), _LONGEST_WAIT)
