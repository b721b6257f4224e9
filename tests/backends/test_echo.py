import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import BackendError, Chunk, ModelSpec, Prompt, Sampling, UserError
from backends.echo import EchoBackend, open_echo, split_words


async def collect(backend: EchoBackend, prompt: Prompt) -> list[Chunk]:
    return [chunk async for chunk in backend.generate(prompt)]


def texts(chunks: list[Chunk], n: int = 1) -> list[str]:
    return ["".join(chunk.text for chunk in chunks if chunk.index == i) for i in range(n)]


@given(st.text())
def test_words_joined_are_the_text(text: str):
    words = split_words(text)
    assert "".join(words) == text
    assert all(words)


async def test_it_writes_prefix_and_text_back_n_times():
    prompt = Prompt("two  words", prefix="one ", n=3)
    chunks = await collect(EchoBackend("echo"), prompt)
    assert texts(chunks, 3) == ["one two  words"] * 3
    last = [chunk for chunk in chunks if chunk.finish_reason]
    assert [(chunk.index, chunk.finish_reason) for chunk in last] == [
        (0, "stop"),
        (1, "stop"),
        (2, "stop"),
    ]
    assert all(chunk.usage and chunk.usage.completion_tokens == 3 for chunk in last)


async def test_max_tokens_counts_words_and_says_length():
    chunks = await collect(EchoBackend("echo"), Prompt("a b c", Sampling(max_tokens=2)))
    assert (texts(chunks), chunks[-1].finish_reason) == (["a b"], "length")


async def test_a_stop_string_across_words_ends_the_text():
    chunks = await collect(EchoBackend("echo"), Prompt("a b c d", Sampling(stop=("b c",))))
    assert (texts(chunks), chunks[-1].finish_reason) == (["a "], "stop")


def test_a_prompt_must_be_text_that_can_be_written_down():
    with pytest.raises(UserError, match="half a character"):
        Prompt("a", prefix="\udfff")


async def test_an_empty_prompt_ends_at_once():
    chunks = await collect(EchoBackend("echo"), Prompt(""))
    assert (texts(chunks), chunks[-1].finish_reason) == ([""], "stop")


async def test_closing_ends_texts_under_way_as_cancelled():
    backend = EchoBackend("echo", delay=3600)
    reading = asyncio.create_task(collect(backend, Prompt("a b", n=2)))
    await asyncio.sleep(0)
    await backend.aclose()
    assert [chunk.finish_reason for chunk in await reading] == ["cancelled", "cancelled"]
    with pytest.raises(BackendError, match="closed"):
        await collect(backend, Prompt("a"))


async def test_the_delay_is_an_option_and_unknown_options_are_refused():
    assert (await open_echo(ModelSpec("slow", "echo", options={"delay": 1}))).name == "slow"
    with pytest.raises(BackendError, match="unknown option 'speed'"):
        await open_echo(ModelSpec("slow", "echo", options={"speed": 1}))
