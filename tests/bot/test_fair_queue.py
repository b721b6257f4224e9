from collections import defaultdict
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.fair_queue import FairQueue, Whose

WHOSE = st.builds(Whose, st.sampled_from("ABC"), st.sampled_from("xyz"))
STEPS = st.lists(st.one_of(WHOSE, st.sampled_from(["take", "leave"])), max_size=60)
"""A newcomer, the next one's turn, or somebody in the middle who gives up."""


@given(STEPS)
def test_every_item_is_taken_once_or_leaves_once_and_a_users_items_keep_their_order(
    steps: list[Whose | str],
):
    queue, numbers = FairQueue[int](), count()
    waiting: dict[int, Whose] = {}
    taken, left = list[tuple[Whose, int]](), list[int]()
    for step in steps:
        if isinstance(step, Whose):
            number = next(numbers)
            waiting[number] = step
            queue.put(step, number)
        elif waiting and step == "take":
            number = queue.take()
            taken.append((waiting.pop(number), number))
        elif waiting:
            number = sorted(waiting)[len(waiting) // 2]
            queue.remove(waiting.pop(number), number)
            left.append(number)
        assert len(queue) == len(waiting)
        assert sorted(queue.order()) == sorted(waiting)
    rest = queue.order()
    assert [queue.take() for _ in rest] == rest
    done = [number for _, number in taken] + left + list(rest)
    assert sorted(done) == list(range(next(numbers)))
    turns = defaultdict[Whose, list[int]](list)
    for whose, number in taken:
        turns[whose].append(number)
    assert all(numbers == sorted(numbers) for numbers in turns.values())


@given(STEPS)
def test_between_two_turns_of_a_guild_every_other_that_waits_all_the_time_has_one(
    steps: list[Whose | str],
):
    queue, numbers = FairQueue[tuple[Whose, int]](), count()
    since = dict[str, set[str]]()
    """For each guild that had a turn: who has waited ever since without one."""
    for step in [*steps, *["take"] * len(steps)]:
        if isinstance(step, Whose):
            queue.put(step, (step, next(numbers)))
        elif step == "take" and len(queue):
            guild = queue.take()[0].guild
            assert not since.get(guild), "another guild was passed over"
            for passed in since.values():
                passed.discard(guild)
            since[guild] = {one for one in "ABC" if one != guild and queue.has(one)}
        elif len(queue):
            item = queue.order()[-1]
            queue.remove(item[0], item)
            for passed in since.values():
                passed.intersection_update(one for one in "ABC" if queue.has(one))


@given(st.lists(st.sampled_from("xyz"), max_size=30))
def test_within_a_guild_users_take_turns(users: list[str]):
    queue = FairQueue[str]()
    for user in users:
        queue.put(Whose("A", user), user)
    order = queue.order()
    waiting = {user: order.count(user) for user in set(order)}
    while order:
        turn, order = order[: len(waiting)], order[len(waiting) :]
        assert sorted(turn) == sorted(waiting)
        waiting = {user: left - 1 for user, left in waiting.items() if left > 1}


def test_a_guild_with_fifty_waiting_delays_anothers_first_one_by_one_turn():
    queue = FairQueue[str]()
    for number in range(50):
        queue.put(Whose("big", f"u{number % 7}"), f"big {number}")
    queue.put(Whose("small", "u"), "small")
    assert queue.order().index("small") == 1


def test_what_does_not_wait_can_be_neither_taken_nor_removed():
    queue = FairQueue[str]()
    with pytest.raises(LookupError):
        queue.take()
    queue.put(Whose("A", "x"), "here")
    for whose in (Whose("A", "x"), Whose("A", "y"), Whose("B", "x")):
        with pytest.raises(LookupError):
            queue.remove(whose, "elsewhere")
