"""A queue that is fair between guilds, and within a guild between its users."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

_NOBODY: Any = object()


class Whose(NamedTuple):
    """Whom a place in the queue counts for."""

    guild: str
    user: str


class FairQueue(Generic[T]):
    """Plain round robin: each guild has one turn a round, and within it each user in turn.

    Between two turns of a guild every other guild that waits has one, and one user's items keep
    their order. A guild that comes back takes its place behind those that wait.
    """

    def __init__(self) -> None:
        self._guilds: dict[str, dict[str, deque[T]]] = {}

    def __len__(self) -> int:
        return sum(len(items) for users in self._guilds.values() for items in users.values())

    def has(self, guild: str) -> bool:
        """Whether anybody of this guild waits."""
        return guild in self._guilds

    def put(self, whose: Whose, item: T) -> None:
        """Add an item behind those of the same user."""
        users = self._guilds.setdefault(whose.guild, {})
        users.setdefault(whose.user, deque()).append(item)

    def take(self) -> T:
        """Remove the item whose turn it is. Raises `LookupError` where there is none."""
        if not self._guilds:
            raise LookupError("nobody waits")
        guild, users = next(iter(self._guilds.items()))
        user, items = next(iter(users.items()))
        item = items.popleft()
        # A table keeps its order of insertion: whoever had a turn goes to its end.
        if users.pop(user):
            users[user] = items
        if self._guilds.pop(guild):
            self._guilds[guild] = users
        return item

    def remove(self, whose: Whose, item: T) -> None:
        """Remove an item that gave up. Raises `LookupError` where it does not wait."""
        users = self._guilds[whose.guild]
        try:
            users[whose.user].remove(item)
        except ValueError:
            raise LookupError("this item does not wait") from None
        if not users[whose.user]:
            del users[whose.user]
        if not users:
            del self._guilds[whose.guild]

    def order(self) -> Sequence[T]:
        """All items in the order in which `take` would give them now."""
        return list(_in_turns(_in_turns(users.values()) for users in self._guilds.values()))


def _in_turns(lines: Iterable[Iterable[T]]) -> Iterator[T]:
    """One of each line, then the next of each, until all are through."""
    for turn in zip_longest(*lines, fillvalue=_NOBODY):
        yield from (item for item in turn if item is not _NOBODY)
