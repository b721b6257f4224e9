from collections.abc import AsyncGenerator

from backends import Chunk, Prompt, Sampling
from backends.echo import EchoBackend
from backends.presentation import presented


async def shown(prompt: Prompt) -> list[str]:
    texts = [""] * prompt.n
    async for chunk in presented(EchoBackend("echo"), prompt):
        texts[chunk.index] += chunk.text
    return texts


async def test_each_text_has_the_input_once_in_front():
    assert await shown(Prompt("b c", prefix="a ", n=2)) == ["a b ca b c"] * 2


async def test_without_include_prefix_only_the_new_text_is_shown():
    assert await shown(Prompt("b c", prefix="a ", include_prefix=False)) == ["a b c"]


async def test_include_prefix_counts_whether_the_stop_string_is_found_or_not():
    for include, found, missed in ((True, "a b ca ", "a b ca b c"), (False, "a ", "a b c")):
        for stop, expected in (("b", found), ("never", missed)):
            prompt = Prompt("b c", Sampling(stop=(stop,)), prefix="a ", include_prefix=include)
            assert await shown(prompt) == [expected]


async def test_a_text_that_is_empty_still_shows_its_input():
    prompt = Prompt("b c", Sampling(stop=("b",)))
    assert await shown(prompt) == ["b c"]


async def test_closing_it_closes_the_backends_generator():
    closed: list[bool] = []

    class Watched(EchoBackend):
        async def generate(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
            try:
                async for chunk in super().generate(prompt):
                    yield chunk
            finally:
                closed.append(True)

    chunks = presented(Watched("echo"), Prompt("a b c"))
    await anext(chunks)
    await chunks.aclose()
    assert closed == [True]
