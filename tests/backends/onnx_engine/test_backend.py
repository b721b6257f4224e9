import asyncio
import random
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from backends import BackendError, ModelSpec, Prompt, Sampling, Usage
from backends.model_directory import GRAPH, TOKENIZER
from backends.onnx_engine import open_onnx
from backends.onnx_engine.backend import OnnxBackend
from tests.backends.onnx_engine.engines import Breakable, Whole, breakable_engine, engine, read
from tests.models import tiny_model_directory
from tests.waiting import until

WORDS = (
    "What",
    "How do you",
    "",
    "ROMEO: But soft",
    "naïve ☕",
    "@everyone",
    "🎉🎉",
    "The bot writes",
)


LONG = Sampling(temperature=0, repetition_penalty=2, max_tokens=1000, seed=3)
"""With this the tiny model goes on to the end of its context."""


# ---- what it writes


@pytest.mark.parametrize("text", WORDS)
async def test_greedy_text_is_that_of_transformers(text: str, tiny_model: Path):
    import torch
    from transformers import GPT2LMHeadModel

    tokenizer = Tokenizer.from_file(str(tiny_model / TOKENIZER))
    checkpoint = tiny_model.with_name("tiny-checkpoint")
    reference = GPT2LMHeadModel.from_pretrained(checkpoint)
    ids = tokenizer.encode(text).ids or [0]
    written = reference.generate(  # pyright: ignore[reportCallIssue] # transformers' own typing is loose
        torch.tensor([ids]), do_sample=False, max_new_tokens=30, pad_token_id=0
    )[0, len(ids) :].tolist()
    async with engine(tiny_model) as backend:
        [whole] = await read(backend, Prompt(text, Sampling(temperature=0, max_tokens=30)))
    ended = written[-1] == 0
    assert tokenizer.decode(written).rstrip("\ufffd") == whole.text.rstrip("\ufffd")
    assert whole.usage == Usage(len(ids), len(written) - ended)
    assert whole.finish_reason == ("stop" if ended else "length")


async def test_a_text_of_a_seed_is_written_again_by_that_seed(tiny_model: Path):
    async with engine(tiny_model) as backend:
        [first] = await read(backend, Prompt("What", Sampling(temperature=1)))
        assert first.seed is not None
        assert await read(backend, Prompt("What", Sampling(temperature=1, seed=first.seed))) == [
            first
        ]


async def test_text_i_of_a_seeded_prompt_has_seed_plus_i(tiny_model: Path):
    async with engine(tiny_model) as backend:
        many = await read(backend, Prompt("What", Sampling(seed=10, temperature=1), n=3))
        for i, whole in enumerate(many):
            sampling = Sampling(seed=10 + i, temperature=1)
            assert await read(backend, Prompt("What", sampling)) == [whole]


async def test_texts_without_a_seed_differ(tiny_model: Path):
    async with engine(tiny_model) as backend:
        many = await read(backend, Prompt("What", Sampling(temperature=1), n=8))
        assert len({whole.seed for whole in many}) == 8


async def test_more_texts_than_slots_are_all_written(tiny_model: Path):
    async with engine(tiny_model, slots=3) as backend:
        many = await read(backend, Prompt("What", Sampling(seed=0, temperature=1), n=20))
    async with engine(tiny_model, slots=20) as backend:
        assert await read(backend, Prompt("What", Sampling(seed=0, temperature=1), n=20)) == many


REQUESTS = st.builds(
    Prompt,
    text=st.sampled_from(WORDS),
    n=st.integers(1, 3),
    sampling=st.builds(
        Sampling,
        temperature=st.sampled_from([0.0, 0.7, 1.5]),
        top_k=st.sampled_from([0, 10]),
        top_p=st.sampled_from([0.8, 1.0]),
        repetition_penalty=st.sampled_from([1.0, 1.3]),
        max_tokens=st.integers(1, 60),
        stop=st.sampled_from([(), ("a",), (" the", "o")]),
        seed=st.integers(0, 1000),
    ),
)


@given(st.lists(REQUESTS, min_size=2, max_size=8), st.integers(0, 2**32))
@settings(
    max_examples=25,
    deadline=None,
    # The model is not written to, and one for all examples is what makes them quick.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_else_is_in_the_batch_never_changes_a_text(
    tiny_model: Path, prompts: list[Prompt], chance: int
):
    async def scenario() -> None:
        async with engine(tiny_model, slots=3) as backend:
            alone = [await read(backend, prompt) for prompt in prompts]
            dice = random.Random(chance)
            together = await asyncio.gather(
                *(arrive(backend, prompt, dice) for prompt in prompts),
                *(leave_early(backend, prompt, dice) for prompt in prompts[::2]),
            )
            assert together[: len(prompts)] == alone

    asyncio.run(scenario())


async def arrive(backend: OnnxBackend, prompt: Prompt, dice: random.Random) -> list[Whole]:
    for _ in range(dice.randrange(40)):
        await asyncio.sleep(0)
    return await read(backend, prompt)


async def leave_early(backend: OnnxBackend, prompt: Prompt, dice: random.Random) -> None:
    """Read a few chunks as a stranger beside the others, then go."""
    chunks = backend.generate(prompt)
    for _ in range(dice.randrange(4)):
        await anext(chunks, None)
    await chunks.aclose()


async def test_a_stop_string_cuts_the_very_text_that_would_have_been_written(tiny_model: Path):
    async with engine(tiny_model) as backend:
        sampling = Sampling(temperature=1, seed=5, max_tokens=40)
        [whole] = await read(backend, Prompt("What", sampling))
        for stop in {whole.text[i : i + 3] for i in range(len(whole.text) - 2)}:
            cut = Sampling(temperature=1, seed=5, max_tokens=40, stop=(stop,))
            [stopped] = await read(backend, Prompt("What", cut))
            assert stopped.text == whole.text.split(stop)[0]
            assert stopped.finish_reason == "stop"


async def test_max_tokens_ends_at_what_the_context_leaves(tiny_model: Path):
    async with engine(tiny_model) as backend:
        sampling = Sampling(max_tokens=1000, temperature=0, repetition_penalty=2)
        [whole] = await read(backend, Prompt("What would you do", sampling))
        assert whole.finish_reason == "length"
        assert whole.usage is not None
        assert whole.usage.prompt_tokens + whole.usage.completion_tokens == 64


async def test_prompts_of_a_model_of_short_texts_start_with_the_end_token(tmp_path: Path):
    model = tiny_model_directory(tmp_path / "short", prepend_end_token=True)
    async with engine(model) as backend:
        one, empty = [
            (await read(backend, Prompt(text, Sampling(max_tokens=1))))[0].usage
            for text in ("What", "")
        ]
    assert (one and one.prompt_tokens, empty and empty.prompt_tokens) == (2, 1)


# ---- what it refuses


async def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(tiny_model: Path):
    async with engine(tiny_model) as backend:
        with pytest.raises(BackendError, match=r"has 1,000 tokens .* reads at most 63: shorten"):
            await read(backend, Prompt("\x00" * 1000))


async def test_a_damaged_model_is_refused_when_opened(tiny_model: Path, tmp_path: Path):
    model = shutil.copytree(tiny_model, tmp_path / "tiny")
    graph = bytearray((model / GRAPH).read_bytes())
    graph[len(graph) // 2] ^= 1
    (model / GRAPH).write_bytes(graph)
    with pytest.raises(BackendError, match="is damaged"):
        await open_onnx(ModelSpec("tiny", "onnx", model))


async def test_a_model_needs_a_path_and_known_options(tiny_model: Path):
    with pytest.raises(BackendError, match="needs a path"):
        await open_onnx(ModelSpec("tiny", "onnx"))
    for options, sentence in (
        ({"slots": 0}, "'slots' of the model tiny must be a number between 1"),
        ({"gpu": 1}, "unknown option 'gpu'"),
    ):
        with pytest.raises(BackendError, match=sentence):
            await open_onnx(ModelSpec("tiny", "onnx", tiny_model, options))


async def test_the_info_tells_context_licence_and_memory(tiny_model: Path):
    async with engine(tiny_model, slots=2) as backend:
        info = backend.info()
    assert (info.name, info.backend, info.context) == ("tiny", "onnx", 64)
    assert info.details["Training data"] == "made on the spot (licence: MIT)"
    assert "2 texts at once" in info.details["Memory"]


# ---- how it ends, waits and fails


@pytest.fixture
async def held(tiny_model: Path) -> AsyncIterator[tuple[OnnxBackend, Breakable]]:
    """An engine with one slot, whose steps are held until the test lets them go."""
    async with breakable_engine(tiny_model, slots=1) as (backend, decoder):
        decoder.may_step.clear()
        yield backend, decoder


async def begin(backend: OnnxBackend, decoder: Breakable) -> asyncio.Task[list[Whole]]:
    """Start a long text and wait until its first step computes."""
    task = asyncio.create_task(read(backend, Prompt("What", LONG)))
    await until(lambda: decoder.steps == 1, "the first step computes")
    return task


async def test_the_event_loop_turns_while_a_step_computes(held: tuple[OnnxBackend, Breakable]):
    backend, decoder = held
    reading = await begin(backend, decoder)  # only a turning event loop gets past this
    decoder.may_step.set()
    assert (await reading)[0].finish_reason == "length"


async def test_a_reader_that_leaves_frees_its_slot_before_the_next_step(
    held: tuple[OnnxBackend, Breakable],
):
    backend, decoder = held
    reading = await begin(backend, decoder)
    reading.cancel()
    await asyncio.wait([reading])
    decoder.may_step.set()
    await until(lambda: backend.running == 0, "the slot is free")
    assert decoder.steps == 1


async def test_when_a_slot_is_freed_the_next_in_line_begins(held: tuple[OnnxBackend, Breakable]):
    backend, decoder = held
    first = await begin(backend, decoder)
    second = asyncio.create_task(read(backend, Prompt("How", Sampling(max_tokens=5))))
    await until(lambda: backend.waiting == 1, "the second prompt waits")
    first.cancel()
    await asyncio.wait([first])
    decoder.may_step.set()
    assert len(await second) == 1
    assert decoder.steps <= 1 + 5


async def test_a_request_that_leaves_while_it_waits_is_never_begun(
    held: tuple[OnnxBackend, Breakable],
):
    backend, decoder = held
    first = await begin(backend, decoder)
    second = asyncio.create_task(read(backend, Prompt("How", n=3)))
    await until(lambda: backend.waiting == 1, "the second prompt waits")
    second.cancel()
    await asyncio.wait([second])
    decoder.may_step.set()
    await first
    await until(lambda: backend.waiting == 0, "nobody waits")
    assert decoder.prefills == 1


async def test_slots_go_to_the_requests_in_turn(held: tuple[OnnxBackend, Breakable]):
    backend, decoder = held
    first = await begin(backend, decoder)
    many = asyncio.create_task(read(backend, Prompt("How", Sampling(max_tokens=3), n=9)))
    await until(lambda: backend.waiting == 1, "the many texts wait")
    few = asyncio.create_task(read(backend, Prompt("The", Sampling(max_tokens=3))))
    await until(lambda: backend.waiting == 2, "both wait")
    decoder.may_step.set()
    await asyncio.gather(first, many, few)
    _, how, the, *rest = decoder.prompts
    assert how != the
    assert rest == [how] * 8


async def test_a_prompt_is_read_once_for_all_of_its_texts(tiny_model: Path):
    async with breakable_engine(tiny_model) as (backend, decoder):
        await read(backend, Prompt("What", Sampling(temperature=1, seed=1), n=4))
        assert decoder.prefills == 1


async def test_closing_the_model_ends_all_texts_as_cancelled_and_the_thread(
    held: tuple[OnnxBackend, Breakable],
):
    backend, decoder = held
    running = await begin(backend, decoder)
    waiting = asyncio.create_task(read(backend, Prompt("How", n=3)))
    await until(lambda: backend.waiting == 1, "the second prompt waits")
    closing = asyncio.create_task(backend.aclose())
    await until(lambda: backend.closed, "closing has begun")
    decoder.may_step.set()
    texts = [*await running, *await waiting]
    assert [whole.finish_reason for whole in texts] == ["cancelled"] * 4
    await closing
    assert "engine tiny" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(BackendError, match="is closed"):
        await read(backend, Prompt("What"))


async def test_numbers_that_are_none_end_their_own_text_only(tiny_model: Path):
    async with breakable_engine(tiny_model) as (backend, decoder):
        expected = await read(backend, Prompt("How", LONG))
        decoder.may_step.clear()
        decoder.steps = 0
        bad = await begin(backend, decoder)
        good = asyncio.create_task(read(backend, Prompt("How", LONG)))
        await until(lambda: backend.waiting == 1, "the neighbour waits to join")
        decoder.poisoned = 3  # both are in this step, the bad one in the first slot
        decoder.may_step.set()
        with pytest.raises(BackendError, match=r"not a number.*Export it again"):
            await bad
        assert await good == expected


async def test_a_librarys_error_is_told_without_its_details_and_the_engine_goes_on(
    tiny_model: Path,
):
    async with breakable_engine(tiny_model) as (backend, decoder):
        decoder.failing = 1
        with pytest.raises(BackendError) as failure:
            await read(backend, Prompt("What", LONG))
        assert str(failure.value) == "The model tiny failed while writing. Try again."
        assert (await read(backend, Prompt("What", LONG)))[0].finish_reason == "length"
