import asyncio

import pytest

from backends import BackendError, Chunk, Prompt, TokenLogprob
from backends.decoding.detokenizer import TokenBytes
from backends.decoding.handover import BACKLOG, Inbox, Outbox
from backends.decoding.texts import Request
from tests.models import tiny_tokenizer


async def make_request() -> Request:
    token_bytes = TokenBytes(tiny_tokenizer())
    return Request(Prompt(""), [0], prefix=0, end_token=0, token_bytes=token_bytes)


async def test_chunks_arrive_in_the_order_they_were_put_and_an_error_last():
    request, outbox = await make_request(), Outbox()
    for item in (Chunk("a", 0), Chunk("b", 1), BackendError("It broke.")):
        outbox.put(request, item)
    await asyncio.to_thread(outbox.deliver)
    assert [await request.inbox.get() for _ in range(2)] == [Chunk("a", 0), Chunk("b", 1)]
    with pytest.raises(BackendError, match="It broke"):
        await request.inbox.get()


async def test_pieces_of_one_text_that_wait_are_joined():
    inbox = Inbox()
    inbox.put(Chunk("a", 0, logprobs=(TokenLogprob("a", -1),)))
    inbox.put(Chunk("x", 1))
    inbox.put(Chunk("b", 0, "stop", logprobs=(TokenLogprob("b", -2),)))
    logprobs = (TokenLogprob("a", -1), TokenLogprob("b", -2))
    assert await inbox.get() == Chunk("ab", 0, "stop", logprobs=logprobs)
    assert await inbox.get() == Chunk("x", 1)


async def test_a_reader_that_comes_first_waits_for_the_piece():
    inbox = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    assert not reading.done()
    inbox.put(Chunk("a"))
    assert await reading == Chunk("a")


async def test_a_reader_that_never_reads_is_abandoned_and_holds_nothing():
    request, outbox = await make_request(), Outbox()
    outbox.put(request, Chunk("x" * BACKLOG))
    outbox.deliver()
    outbox.put(request, Chunk("x"))
    outbox.deliver()
    assert not request.abandoned
    await asyncio.sleep(0)
    assert request.abandoned
    with pytest.raises(BackendError, match="not read for too long"):
        await request.inbox.get()


async def test_what_was_read_makes_room_again():
    inbox = Inbox()
    for _ in range(3):
        inbox.put(Chunk("x" * BACKLOG))
        await inbox.get()


def test_a_request_whose_event_loop_is_gone_is_abandoned():
    request, outbox = asyncio.run(make_request()), Outbox()
    outbox.put(request, Chunk("a"))
    outbox.deliver()
    assert request.abandoned
