import asyncio

import numpy as np

from backends import BackendError, Chunk, Prompt
from backends.onnx_engine.detokenizer import TokenBytes
from backends.onnx_engine.handover import Outbox
from backends.onnx_engine.texts import Request
from tests.models import tiny_tokenizer


async def make_request() -> Request:
    token_bytes = TokenBytes(tiny_tokenizer())
    return Request(Prompt(""), np.array([0]), limit=9, end_token=0, token_bytes=token_bytes)


async def test_chunks_arrive_in_the_order_they_were_put():
    request, outbox = await make_request(), Outbox()
    items = [Chunk("a"), Chunk("b"), BackendError("It broke.")]
    for item in items:
        outbox.put(request, item)
    await asyncio.to_thread(outbox.deliver)
    assert [await request.chunks.get() for _ in items] == items


def test_a_request_whose_event_loop_is_gone_is_abandoned():
    request, outbox = asyncio.run(make_request()), Outbox()
    outbox.put(request, Chunk("a"))
    outbox.deliver()
    assert request.abandoned
