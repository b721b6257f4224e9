"""Who may talk to the page's server: DNS rebinding, cross-site requests, and the token.

Without a token the server listens on a loopback address only, and everybody who reaches it is the
one local user. With a token it may listen anywhere, and whoever knows the token is an admin.
"""

import hmac
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from backends import UserError

SESSION_COOKIE = "chinwag_session"
PAGE = Path(__file__).parent / "page"
SHORTEST_TOKEN = 16

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Sent with every answer. The page's files are asked for anew each time: they are small."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_exposure(host: str, token: str | None) -> None:
    """Raise `UserError` for an address that is open to others without a good token."""
    if token is None and not is_loopback(host):
        raise UserError(
            f"The web page would be open to everybody who reaches {host}. Set `token` in the "
            "[web] section, or set `host` to 127.0.0.1."
        )
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UserError(
            f"The token of the [web] section is too easy to guess: use at least "
            f"{SHORTEST_TOKEN} characters."
        )


class Guard:
    """Turns away requests that do not come from the page itself."""

    def __init__(self, host: str, token: str | None) -> None:
        """Raises `UserError` as `check_exposure` does."""
        check_exposure(host, token)
        self._token = token
        self._session = (
            token and hmac.digest(token.encode(), b"chinwag web session", "sha256").hex()
        )

    def install(self, app: web.Application) -> None:
        """Stand before every handler of the app, and add the login."""
        app.middlewares.append(self._middleware())
        app.on_response_prepare.append(_add_headers)
        app.router.add_post("/login", self._log_in_by_form)

    def _middleware(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._check_origin(request)
            if self._is_open(request):
                return await handler(request)
            if given := request.query.get("token"):
                return self._log_in(request, given)
            if request.path.startswith("/api/"):
                raise web.HTTPUnauthorized(text="Log in first: load the page again.")
            return _login_page()

        return guard

    def _check_origin(self, request: web.Request) -> None:
        """Refuse foreign pages (`Origin`) and names that were bent to this machine (`Host`).

        With a token the `Host` may be any: a page under another name has no session cookie.
        """
        if self._token is None and not is_loopback(_hostname(request.host)):
            raise web.HTTPForbidden(text="This server answers to localhost and 127.0.0.1 only.")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="Requests from other sites are refused.")

    def _is_open(self, request: web.Request) -> bool:
        if self._session is None or request.path.startswith("/page/") or request.path == "/login":
            return True
        return hmac.compare_digest(
            request.cookies.get(SESSION_COOKIE, "").encode(), self._session.encode()
        )

    async def _log_in_by_form(self, request: web.Request) -> web.StreamResponse:
        return self._log_in(request, str((await request.post()).get("token", "")))

    def _log_in(self, request: web.Request, given: str) -> web.StreamResponse:
        """Exchange the token for a cookie, and take it out of the address."""
        if self._token is None or self._session is None:
            raise web.HTTPSeeOther("/")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return _login_page(wrong=True)
        response = web.Response(status=303, headers={"Location": "/"})
        set_cookie(request, response, SESSION_COOKIE, self._session)
        return response


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str) -> None:
    """Keep a value in the browser for a year, out of reach of scripts and other sites."""
    response.set_cookie(
        name,
        value,
        max_age=365 * 24 * 3600,
        httponly=True,
        samesite="Lax",
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )


def _hostname(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _login_page(*, wrong: bool = False) -> web.Response:
    text = (PAGE / "login.html").read_text(encoding="utf-8")
    if wrong:
        text = text.replace(' hidden class="refusal"', ' class="refusal"')
    return web.Response(text=text, content_type="text/html", status=401)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
