"""What Slack knows of a user, remembered for a few minutes."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.slack_app.api import Api

log = logging.getLogger(__name__)

FRESH = 300.0
"""Seconds for which an answer counts; a new admin waits at most that long."""
_MOST = 1_000
"""Users remembered at a time."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user's name, and whether they administer the workspace."""

    name: str = ""
    is_admin: bool = False


class People:
    """Looks users up, once in a while."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, tuple[float, Person]] = {}

    async def get(self, user: str) -> Person:
        """Look a user up. Whom Slack does not tell about counts as nobody in particular."""
        now = time.monotonic()
        until, person = self._known.get(user, (0.0, Person()))
        if now < until:
            return person
        try:
            person = await self._ask(user)
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("Slack did not tell who %s is; taken as no admin: %s", user, error)
            return Person()
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[user] = (now + FRESH, person)
        return person

    async def _ask(self, user: str) -> Person:
        told = await self._api.user(user)
        profile: Mapping[str, Any] = told.get("profile") or {}
        names: tuple[Any, ...] = (
            profile.get("display_name"),
            told.get("real_name"),
            told.get("name"),
        )
        rights = ("is_admin", "is_owner", "is_primary_owner")
        return Person(
            name=next((str(name) for name in names if name), ""),
            is_admin=any(told.get(right) is True for right in rights),
        )
