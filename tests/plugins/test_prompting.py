from collections.abc import AsyncIterator

import pytest

from backends import BackendError, Chunk
from plugins.prompting import in_order


async def test_what_others_have_written_is_passed_on_before_the_error_of_one_that_fails():
    async def chunks() -> AsyncIterator[Chunk]:
        yield Chunk("third", 2, "stop")
        yield Chunk("fir", 0)
        yield Chunk("second", 1, "stop")
        raise BackendError("The text is incomplete.")

    told: list[str] = []

    async def read() -> None:
        async for chunk in in_order(chunks()):
            told.append(chunk.text)

    with pytest.raises(BackendError, match="incomplete"):
        await read()
    assert told == ["fir", "second", "third"]
