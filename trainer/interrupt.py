"""Ctrl-C and SIGTERM: the first asks training to stop after its step, a second ends at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_requests(on_first: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether a stop was asked for; handlers are put back at the end."""
    caught: list[int] = []

    def handler(number: int, _frame: object) -> None:
        if caught:
            os._exit(1)
        caught.append(number)
        on_first()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield lambda: bool(caught)
    finally:
        for number, old in before.items():
            signal.signal(number, old)
