"""The stream of events: whatever is skipped on the way, the page ends with the newest state."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from bot.web.surface import WebSurface
from tests.bot.web.driver import Answer

STEPS = st.lists(st.tuples(st.integers(0, 4), st.text(max_size=8), st.booleans()), max_size=30)


async def play(steps: list[tuple[int, str, bool]]) -> tuple[list[str], Answer]:
    """Post and edit; now and then the reader gets a turn. What was said last, and what was seen."""
    surface, answer, said = WebSurface(), Answer(), list[str]()

    async def read() -> None:
        async for event in surface.events():
            answer.take(event)

    reader = asyncio.create_task(read())
    for message, text, turn in steps:
        if message >= len(said):
            said.append(text)
            await surface.post(text)
        else:
            said[message] = said[message] + text if turn else text
            await surface.edit(message, said[message])
        if turn:
            await asyncio.sleep(0)
    await surface.done()
    await reader
    return said, answer


@given(STEPS)
def test_what_the_page_ends_with_is_what_was_said_last(steps: list[tuple[int, str, bool]]):
    said, answer = asyncio.run(play(steps))
    assert [versions[-1] for versions in answer.versions] == said


async def test_a_reader_who_comes_late_gets_one_event_a_message():
    surface, answer = WebSurface(), Answer()
    message = await surface.post("a")
    for length in range(2, 100):
        await surface.edit(message, "a" * length)
    await surface.attach("all.txt", "everything")
    await surface.refuse("And then it broke.")
    await surface.done()
    async for event in surface.events():
        answer.take(event)
    assert answer.versions == [["a" * 99]]
    assert (answer.files, answer.refusals) == (["everything"], ["And then it broke."])


async def test_only_the_newest_notice_is_sent_and_none_beside_an_answer():
    surface, answer = WebSurface(), Answer()
    await surface.notice("You are number 2.")
    await surface.notice("You are number 1.")
    events = surface.events()
    answer.take(await anext(events))
    await surface.notice("too late")
    await surface.post("text")
    await surface.done()
    async for event in events:
        answer.take(event)
    assert (answer.notices, answer.versions) == (["You are number 1."], [["text"]])
