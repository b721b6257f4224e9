"""The servers behind one model's name, and which of them is asked."""

import math
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager

from yarl import URL

from backends.http_backend.breaker import Breaker
from backends.http_backend.errors import LATER, ServerError


class Replica:
    """One server."""

    def __init__(self, url: URL, breaker: Breaker) -> None:
        self.url = url
        """Its completions endpoint."""
        self.breaker = breaker
        self.running = 0
        """Requests under way."""

    @contextmanager
    def request(self) -> Generator[Callable[[], None]]:
        """Count a request while the block runs, and learn from how it ends.

        Lends what to call when the server has begun to write.
        """
        attempt = self.breaker.begin()
        self.running += 1
        try:
            yield lambda: self.breaker.answered(attempt)
        except ServerError as error:
            self.breaker.succeeded() if error.healthy else self.breaker.failed()
            raise
        else:
            self.breaker.succeeded()
        finally:
            self.running -= 1
            self.breaker.end(attempt)


class Replicas:
    """All servers of one model."""

    def __init__(self, urls: Sequence[URL], breaker: Callable[[], Breaker] = Breaker) -> None:
        self._all = [Replica(url, breaker()) for url in urls]

    @property
    def running(self) -> int:
        """Requests under way on all servers."""
        return sum(replica.running for replica in self._all)

    def choose(self, failed: Collection[Replica] = ()) -> Replica | None:
        """Return the server with the fewest requests; `None` where all are left alone.

        One of the `failed` is taken only where there is no other.
        """
        ready = [replica for replica in self._all if replica.breaker.ready]
        fresh = [replica for replica in ready if replica not in failed]
        return min(fresh or ready, key=lambda replica: replica.running, default=None)

    def left_alone(self) -> ServerError:
        """Return the error of a request that no server takes now."""
        wait = math.ceil(min(replica.breaker.wait for replica in self._all))
        when = f"Try again in {wait} s." if wait else LATER
        return ServerError("failed several times in a row and is left alone for a while", when)
