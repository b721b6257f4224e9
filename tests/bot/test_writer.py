import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import UserError
from bot.writer import DELIMITER, FILE, ReplyWriter
from plugins.vocabulary import Piece
from tests.fakes.surface import RecordingSurface
from tests.waiting import until


async def pieces(*given: str | Piece) -> AsyncIterator[Piece]:
    for one in given:
        await asyncio.sleep(0)
        yield one if isinstance(one, Piece) else Piece(one)


async def written(*given: str | Piece, footer: str = "", **surface: int) -> RecordingSurface:
    shown = RecordingSurface(**surface)  # pyright: ignore[reportArgumentType] - a test's shorthand
    await ReplyWriter(shown, footer).write(pieces(*given))
    return shown


@given(
    st.lists(st.sampled_from(["word ", "\n", "été", "🦉 "]) | st.text(), max_size=30).filter(
        lambda texts: "".join(texts).strip() and "`" not in "".join(texts)
    )
)
@settings(deadline=None)
async def test_what_the_reader_sees_joined_is_what_was_written(texts: list[str]):
    shown = RecordingSurface(limit=40, max_messages=10_000)
    await ReplyWriter(shown).write(pieces(*texts))
    # A stretch of nothing but white space, as long as a message, cannot be a message.
    assert "".join("".join(shown.messages).split()) == "".join("".join(texts).split())


async def test_each_part_begins_a_message_of_its_own():
    shown = await written(Piece("one "), Piece("and"), Piece("two", part=1))
    assert shown.messages == ["one and", "two"]


async def test_the_first_text_is_shown_before_the_second_is_written():
    shown = RecordingSurface(pace=3600)
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[Piece]:
        yield Piece("at once")
        await go_on.wait()
        yield Piece(" and later")

    writing = asyncio.create_task(ReplyWriter(shown).write(slow()))
    await until(lambda: shown.messages == ["at once"], "the first text")
    go_on.set()
    await writing
    assert shown.messages == ["at once and later"]


async def test_text_that_comes_within_the_pace_is_shown_in_one_edit():
    shown = await written("a", *"bcdefghij", pace=3600)
    assert shown.messages == ["abcdefghij"]
    assert len(shown.versions[0]) <= 3


async def test_white_space_alone_is_not_posted_but_kept_for_what_follows():
    shown = await written("\n", " ", "text")
    assert shown.versions == [["\n text"]]


@pytest.mark.parametrize("texts", [(), ("",), (" \n", "\t")])
async def test_nothing_visible_is_told_in_a_sentence(texts: tuple[str, ...]):
    with pytest.raises(UserError, match="empty"):
        await written(*texts)


async def test_a_long_text_is_split_at_the_limit():
    text = "word " * 100
    shown = await written(text, limit=100, max_messages=20)
    assert "".join(shown.messages) == text
    assert len(shown.messages) >= 5


async def test_too_many_messages_become_a_file_with_the_whole_text():
    text = "word " * 100
    shown = await written(text, limit=100, max_messages=2)
    assert len(shown.messages) == 2
    assert shown.files == {FILE: text}


async def test_a_file_keeps_several_texts_apart():
    shown = await written(*(Piece(f"text {part}", part) for part in range(4)), max_messages=3)
    assert shown.files[FILE] == "".join(f"text {part}{DELIMITER}" for part in range(4))


async def test_the_footer_stands_once_under_the_last_text():
    shown = await written(Piece("one"), Piece("two", part=1), footer="by a machine")
    assert shown.messages == ["one", "two\nby a machine"]


async def test_a_footer_that_does_not_fit_or_would_be_code_gets_a_message_of_its_own():
    assert (await written("x" * 38, footer="footer", limit=40)).messages == ["x" * 38, "footer"]
    assert (await written("```\ncode", footer="footer")).messages == ["```\ncode", "footer"]


async def test_an_edit_that_fails_is_made_up_for_by_the_last_one():
    shown = RecordingSurface(failing=[RuntimeError("rate"), RuntimeError("rate")])
    await ReplyWriter(shown).write(pieces("a", "b", "c"))
    assert shown.messages == ["abc"]


async def test_a_message_that_can_no_longer_be_edited_does_not_end_the_answer():
    shown = RecordingSurface(failing=[RuntimeError("deleted")] * 50)
    await ReplyWriter(shown).write(pieces("a", "b", Piece("two", part=1)))
    assert shown.messages == ["a", "two"] or shown.messages == ["ab", "two"]


async def test_a_message_that_cannot_be_posted_is_the_callers_to_tell():
    shown = RecordingSurface(failing_posts=[RuntimeError("no permission")])
    with pytest.raises(RuntimeError, match="no permission"):
        await ReplyWriter(shown).write(pieces(*"abcdefgh"))


async def test_what_was_written_before_an_error_is_shown():
    async def breaks() -> AsyncIterator[Piece]:
        yield Piece("first ")
        yield Piece("second")
        raise UserError("broken")

    shown = RecordingSurface(pace=3600)
    with pytest.raises(UserError, match="broken"):
        await ReplyWriter(shown).write(breaks())
    assert shown.messages == ["first second"]


async def test_cancelling_shows_what_was_written_and_closes_the_generator():
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[Piece]:
        try:
            yield Piece("one ")
            yield Piece("two")
            await asyncio.Event().wait()
        finally:
            closed.set()

    shown = RecordingSurface(pace=3600)
    writing = asyncio.create_task(ReplyWriter(shown).write(endless()))
    await shown.shown.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert closed.is_set()
    assert shown.messages == ["one two"]


async def test_a_notice_stands_for_the_answer_until_text_comes_and_is_no_part_of_it():
    shown = RecordingSurface()
    writer = ReplyWriter(shown)
    begin = asyncio.Event()

    async def late() -> AsyncIterator[Piece]:
        await begin.wait()
        yield Piece("text")
        writer.notice("too late")
        yield Piece(" and more")

    writing = asyncio.create_task(writer.write(late()))
    writer.notice("You are number 2.")
    await until(lambda: shown.notices == ["You are number 2."], "the first notice")
    writer.notice("You are number 1.")
    await until(lambda: len(shown.notices) == 2, "the second notice")
    begin.set()
    await writing
    assert shown.notices == ["You are number 2.", "You are number 1."]
    assert shown.messages == ["text and more"]


async def test_notices_that_come_within_the_pace_are_shown_as_one():
    shown = RecordingSurface(pace=3600)
    writer = ReplyWriter(shown)
    begin = asyncio.Event()

    async def late() -> AsyncIterator[Piece]:
        await begin.wait()
        yield Piece("text")

    writing = asyncio.create_task(writer.write(late()))
    for number in range(5, 0, -1):
        writer.notice(f"You are number {number}.")
    await shown.shown.wait()
    begin.set()
    await writing
    assert shown.notices == ["You are number 1."]


async def test_a_notice_that_cannot_be_shown_does_not_disturb_the_answer():
    class Broken(RecordingSurface):
        async def notice(self, text: str) -> None:
            raise RuntimeError("no permission")

    shown = Broken()
    writer = ReplyWriter(shown)
    writer.notice("You are number 1.")
    await writer.write(pieces("te", "xt"))
    assert shown.messages == ["text"]


async def test_from_a_surface_that_takes_nothing_no_more_than_a_bounded_text_is_kept(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("bot.writer._AHEAD", 1000)
    blocked = asyncio.Event()
    written = 0

    class Blocked(RecordingSurface):
        async def post(self, text: str) -> object:
            await blocked.wait()
            return await super().post(text)

    async def endless() -> AsyncIterator[Piece]:
        nonlocal written
        while not blocked.is_set():
            written += 10
            yield Piece("ten chars ")
            await asyncio.sleep(0)

    shown = Blocked(limit=10**6)
    writing = asyncio.create_task(ReplyWriter(shown).write(endless()))
    await until(lambda: written > 1000, "the writer reads ahead")
    for _ in range(1000):
        await asyncio.sleep(0)
    assert written <= 1000 + 3 * 10
    blocked.set()
    await writing
    assert len(shown.messages[0]) == written
