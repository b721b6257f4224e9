"""A circuit breaker: a server that fails again and again is left alone for a while.

Closed, it lets every request through. After some failures in a row it opens and lets none through;
after a pause it is half-open, and one request tries the server for all others (Nygard, *Release
It!*, "Circuit Breaker").
"""

import time
from collections.abc import Callable

FAILURES = 3
"""Failures in a row after which a server is left alone."""

PAUSE = 10.0
"""Seconds for which it is left alone."""


class Attempt:
    """One request that the breaker let through."""


class Breaker:
    """The breaker of one server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds."""
        self._clock = clock
        self._failures = 0
        self._failed_at = 0.0
        self._probe: Attempt | None = None

    @property
    def wait(self) -> float:
        """Seconds until the server may be tried; 0 where it may be now, or is already."""
        if self._failures < FAILURES:
            return 0
        return max(0, self._failed_at + PAUSE - self._clock())

    @property
    def ready(self) -> bool:
        """Whether a request is let through now."""
        return self._failures < FAILURES or (not self.wait and self._probe is None)

    def begin(self) -> Attempt:
        """Let a request through; with the breaker half-open it is the probe."""
        attempt = Attempt()
        if self._failures >= FAILURES:
            self._probe = attempt
        return attempt

    def answered(self, attempt: Attempt) -> None:
        """The server began to write: a probe closes the breaker, which the next failure reopens."""
        if attempt is self._probe:
            self._failures = FAILURES - 1

    def succeeded(self) -> None:
        """The server wrote a whole text."""
        self._failures = 0

    def failed(self) -> None:
        """The server failed."""
        self._failures += 1
        self._failed_at = self._clock()

    def end(self, attempt: Attempt) -> None:
        """The request is over, however it ended; a probe called off makes room for another."""
        if attempt is self._probe:
            self._probe = None
