import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import UserError
from bot.waiting_line import WaitingLine


@given(st.integers(1, 4), st.integers(0, 6), st.integers(1, 20))
@settings(deadline=None)
async def test_never_more_than_allowed_run_or_wait_and_all_others_are_refused(
    concurrent: int, waiting: int, askers: int
):
    line = WaitingLine(concurrent, waiting)
    running, most, served = 0, 0, list[int]()

    async def ask(number: int) -> None:
        nonlocal running, most
        async with line.place():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            served.append(number)
            running -= 1

    outcomes = await asyncio.gather(*map(ask, range(askers)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, UserError)]
    assert most == min(concurrent, askers)
    assert len(refused) == max(0, askers - concurrent - waiting)
    assert served == sorted(served), "first come, first served"


async def test_a_place_comes_back_when_a_waiting_one_is_cancelled():
    line = WaitingLine(1, 1)
    async with line.place():
        waiting = asyncio.create_task(line.place().__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(UserError, match="busy"):
            line.check_room()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        line.check_room()
    async with line.place():
        pass
