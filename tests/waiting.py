"""Waiting for a condition instead of for a time."""

import asyncio
from collections.abc import Callable

PATIENCE = 30.0
"""Seconds after which a condition counts as never coming true: a failure, not a timing."""


async def until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as the condition holds; `what` names it in the failure.

    Raises `AssertionError` where it does not come true.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - the condition may be anything, so it is asked
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"never came true: {what}") from None
