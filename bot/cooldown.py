"""How long a user waits between two texts in one place."""

import math
import time
from collections.abc import Callable

from backends import UserError
from plugins.vocabulary import Request

_SWEEP = 10_000
"""So many users are remembered before those who need not wait any more are forgotten."""


class Cooldowns:
    """Remembers, in memory only, until when each user waits in each channel."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str, str], float] = {}

    def start(self, request: Request, seconds: float) -> None:
        """Begin a user's wait. Raises `UserError` while the one before is not over."""
        if seconds <= 0:
            return
        who = (request.platform, request.channel, request.user)
        now = self._clock()
        left = self._until.get(who, now) - now
        if left > 0:
            raise UserError(f"Please wait {math.ceil(left)} s before you ask again here.")
        if len(self._until) >= _SWEEP:
            self._until = {key: until for key, until in self._until.items() if until > now}
        self._until[who] = now + seconds
