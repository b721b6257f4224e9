import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import UserError
from bot.fair_queue import Whose
from bot.waiting_line import Lines, WaitingLine, whose
from tests.core import request

ADA = Whose("guild", "ada")


class Clock:
    """Shows what a test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(1, 4), st.integers(0, 6), st.integers(1, 20))
@settings(deadline=None)
async def test_never_more_than_allowed_run_or_wait_and_all_others_are_refused(
    concurrent: int, waiting: int, askers: int
):
    line = WaitingLine(concurrent, waiting)
    running, most, served = 0, 0, list[int]()

    async def ask(number: int) -> None:
        nonlocal running, most
        with line.join(ADA) as ticket:
            await ticket.turn()
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            served.append(number)
            running -= 1

    outcomes = await asyncio.gather(*map(ask, range(askers)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, UserError)]
    assert most == min(concurrent, askers)
    # While nobody of the guild waits it counts as a newcomer, for whom there is room as well.
    assert len(refused) == max(0, askers - concurrent - waiting)
    assert served == sorted(served), "one user's prompts keep their order"


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("xy"), st.booleans()), max_size=25),
)
@settings(deadline=None)
async def test_each_ends_once_by_its_turn_or_by_leaving_and_every_place_comes_back(
    concurrent: int, askers: list[tuple[str, str, bool]]
):
    line = WaitingLine(concurrent, len(askers))
    go_on, served = asyncio.Event(), list[int]()

    async def ask(number: int, guild: str, user: str) -> None:
        with line.join(Whose(guild, user)) as ticket:
            await ticket.turn()
            await go_on.wait()
            served.append(number)

    tasks = [
        asyncio.create_task(ask(number, guild, user))
        for number, (guild, user, _) in enumerate(askers)
    ]
    await asyncio.sleep(0)
    leaving = {number for number, (_, _, leaves) in enumerate(askers) if leaves}
    for number in leaving:
        tasks[number].cancel()
    go_on.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(served) == sorted(set(range(len(askers))) - leaving)
    assert (line.running, line.waiting) == (0, 0)


async def test_a_guild_that_fills_the_line_does_not_keep_another_out():
    line = WaitingLine(1, 2)
    with line.join(ADA), line.join(ADA), line.join(ADA):
        with pytest.raises(UserError, match="busy"):
            line.check_room(ADA)
        with line.join(Whose("other", "bob")) as ticket:
            assert ticket.position == 2
            with pytest.raises(UserError, match="busy"):
                line.check_room(Whose("other", "bob"))


async def test_a_place_comes_back_when_a_waiting_one_is_cancelled():
    line = WaitingLine(1, 1)

    async def wait() -> None:
        with line.join(ADA) as ticket:
            await ticket.turn()

    with line.join(ADA):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        with pytest.raises(UserError, match="busy"):
            line.check_room(ADA)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        line.check_room(ADA)
    with line.join(ADA) as ticket:
        await ticket.turn()


async def test_a_turn_given_to_one_who_leaves_at_that_moment_goes_to_the_next():
    line = WaitingLine(1, 2)

    async def wait() -> None:
        with line.join(ADA) as ticket:
            await ticket.turn()

    with line.join(ADA):
        leaving, next_one = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
        leaving.cancel()
    await next_one
    assert (line.running, line.waiting) == (0, 0)


async def test_a_wait_is_estimated_from_the_last_turns_and_only_with_evidence():
    clock = Clock()
    line = WaitingLine(2, 9, clock)
    for _ in range(3):
        assert line.seconds(2) is None
        with line.join(ADA):
            clock.now += 8
    with line.join(ADA), line.join(ADA), line.join(ADA), line.join(ADA) as last:
        assert last.position == 2
        assert last.seconds == pytest.approx(8), "two places, so two turns end in 8 s"


def test_a_direct_message_is_a_guild_of_its_own_and_platforms_do_not_mix():
    places = [
        whose(request()),
        whose(request(guild=None, user="1")),
        whose(request(guild=None, user="2")),
        whose(request(platform="slack")),
    ]
    assert len({place.guild for place in places}) == 4
    assert whose(request(user="2")).guild == places[0].guild


async def test_a_model_that_is_full_keeps_nobody_from_another():
    lines = Lines(1, 0)
    with lines.of("slow").join(ADA):
        with pytest.raises(UserError, match="busy"):
            lines.of("slow").check_room(ADA)
        with lines.of("fast").join(ADA) as ticket:
            assert ticket.admitted
    assert set(lines.all()) == {"slow", "fast"}
