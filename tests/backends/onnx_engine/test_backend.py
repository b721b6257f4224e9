import asyncio
import random
import shutil
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from backends import BackendError, ModelSpec, Prompt, Sampling, Usage
from backends.decoding.sampling import Sampler
from backends.decoding.texts import Text
from backends.model_directory import GRAPH, TOKENIZER
from backends.onnx_engine import open_onnx
from backends.onnx_engine.backend import OnnxBackend
from backends.word_index import FILES
from tests.backends.onnx_engine.engines import (
    Breakable,
    Whole,
    breakable_engine,
    engine,
    read,
    with_index,
)
from tests.models import tiny_model_directory
from tests.waiting import until
from trainer.originality.copies import hold_against
from trainer.originality.index import build_index

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


LONG = Sampling(temperature=0, repetition_penalty=2, max_tokens=60, seed=3)
"""With this the tiny model goes on to nearly the end of its context."""
LONG_ENOUGH_TO_KEEP = "What would you do if you were alone on an island for a year?"


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


async def test_prompts_of_a_model_of_short_texts_start_with_the_end_token(tmp_path: Path):
    model = tiny_model_directory(tmp_path / "short", prepend_end_token=True)
    async with engine(model) as backend:
        one, empty = [
            (await read(backend, Prompt(text, Sampling(max_tokens=1))))[0].usage
            for text in ("What", "")
        ]
    assert (one and one.prompt_tokens, empty and empty.prompt_tokens) == (2, 1)


@pytest.mark.parametrize("seed", [None, 3])
async def test_a_text_longer_than_the_context_goes_on_behind_its_prefix(
    seed: int | None, tiny_model: Path
):
    sampling = Sampling(temperature=1, seed=seed, max_tokens=200)
    prompt = Prompt(" and more", sampling, prefix="What would you do")
    async with breakable_engine(tiny_model, kept=2) as (backend, decoder):
        [whole] = await read(backend, prompt)
        prefix = backend._encode("What would you do")
        queries = backend.load().prefix_cache_queries
    # The tiny model may end its text by itself; with this seed it does not.
    assert whole.usage is not None
    # What is read again because the text slid is not looked for as a prompt.
    assert queries == whole.usage.prompt_tokens - 1
    assert whole.usage.completion_tokens > 64
    again = [chunk for chunk in decoder.prompts[1:] if len(chunk) > 20]
    assert again
    if seed is not None:  # nothing of these windows was read in whole chunks before
        assert all(chunk[: len(prefix)] == prefix for chunk in again)
        async with engine(tiny_model, slots=2) as backend:
            together = await asyncio.gather(*(read(backend, prompt) for _ in range(3)))
            assert together == [[whole]] * 3


async def test_of_a_prompt_longer_than_the_context_prefix_and_end_are_read(tiny_model: Path):
    words = "".join(f" {number}" for number in range(200))
    sampling = Sampling(temperature=0, max_tokens=1)
    async with breakable_engine(tiny_model) as (backend, decoder):
        await read(backend, Prompt(words, sampling, prefix="What would you do"))
        prefix, whole = backend._encode("What would you do"), backend._encode(words)
    [read_tokens] = decoder.prompts
    kept = (64 - len(prefix)) // 2
    assert read_tokens == prefix + whole[-kept:-1]


async def test_a_chunk_of_a_long_prompt_at_most_is_read_between_two_steps(tmp_path: Path):
    model = tiny_model_directory(tmp_path / "long", context=1024)
    words = "".join(f" {number}" for number in range(400))
    endless = Sampling(temperature=0, max_tokens=60, logit_bias={0: -1000})
    async with breakable_engine(model) as (backend, decoder):
        decoder.may_step.clear()
        reading = asyncio.create_task(read(backend, Prompt("What would", endless)))
        await until(lambda: decoder.steps == 1, "the first text is being written")
        long = asyncio.create_task(read(backend, Prompt(words, endless)))
        await until(lambda: backend.waiting == 1, "the long prompt waits")
        decoder.may_step.set()
        await asyncio.gather(reading, long)
    while_both = decoder.calls[1:60]
    assert while_both.count("chunk") > 5
    assert all("step" in pair for pair in pairwise(while_both))


async def test_texts_that_begin_alike_are_read_on_from_where_they_differ(tiny_model: Path):
    play = "ROMEO: But soft, what light through yonder window breaks? " * 3
    warm = Sampling(temperature=1, max_tokens=3)
    async with breakable_engine(tiny_model, kept=1) as (backend, decoder):
        await read(backend, Prompt(play + "What", warm))
        await read(backend, Prompt(play + "The bot writes", warm))
        first, second = decoder.prompts
        load = backend.load()
    assert len(second) < len(first) / 2
    assert load.prefix_cache_hits == load.prefix_cache_queries - len(first) - len(second) > 0


async def test_a_conversation_that_goes_on_reuses_what_was_written(tiny_model: Path):
    dot = Tokenizer.from_file(str(tiny_model / TOKENIZER)).token_to_id(".")
    dots = Sampling(temperature=1, max_tokens=40, logit_bias={dot: 100})
    async with breakable_engine(tiny_model, kept=1) as (backend, decoder):
        [answer] = await read(backend, Prompt("What would you do", dots))
        assert answer.text == "." * 40
        decoder.prompts.clear()
        warm = Sampling(temperature=1, max_tokens=3)
        await read(backend, Prompt("What would you do" + answer.text, warm))
    assert decoder.prompts == []


async def test_texts_kept_for_reuse_never_change_a_seeded_text(tmp_path: Path):
    model = tiny_model_directory(tmp_path / "long", context=256)
    words = "".join(f" {number}" for number in range(60))
    prompts = [
        Prompt(words[:length], Sampling(temperature=1, seed=length, max_tokens=20))
        for length in range(60, len(words), 17)
    ]
    async with engine(model, kept=0) as backend:
        fresh = [await read(backend, prompt) for prompt in prompts]
    async with engine(model, kept=3) as backend:
        warm = Sampling(temperature=1, max_tokens=20)
        for prompt in prompts:
            await read(backend, Prompt(prompt.text, warm))
        assert [await read(backend, prompt) for prompt in prompts] == fresh
        assert backend.load().prefix_cache_hits > 0


@pytest.mark.parametrize("temperature", [0, 1])
async def test_a_banned_word_never_comes_to_stand_in_a_text(temperature: float, tiny_model: Path):
    async with engine(tiny_model) as backend:
        for seed in range(6):
            free = Sampling(temperature=temperature, seed=seed, max_tokens=60)
            [whole] = await read(backend, Prompt("What would y", free))
            found = {whole.text[start : start + 3].swapcase() for start in range(0, 40, 9)}
            for word in (word for word in found if word.strip()):
                banned = replace(free, bad_words=(word, "yo"))
                [other] = await read(backend, Prompt("What would y", banned))
                text = ("y" + other.text).casefold()
                assert word.casefold() in whole.text.casefold()
                assert word.casefold() not in text
                assert "yo" not in text


async def test_a_text_to_which_every_token_is_banned_ends(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Text, "refuses", lambda _text, _token: True)
    async with engine(tiny_model) as backend:
        [whole] = await read(backend, Prompt("What", Sampling(temperature=1, bad_words=("x",))))
    assert (whole.text, whole.finish_reason) == ("", "stop")


@pytest.mark.parametrize("temperature", [0, 1])
async def test_no_text_copies_more_words_in_a_row_than_allowed(
    temperature: float, tiny_model: Path, tmp_path: Path
):
    free = Sampling(temperature=temperature, seed=3, max_tokens=60)
    prompts = [Prompt("What would", replace(free, seed=seed)) for seed in range(4)]
    async with engine(tiny_model) as backend:
        learned = ["What would" + (await read(backend, prompt))[0].text for prompt in prompts]
    index, model = build_index(learned), with_index(tiny_model, learned, tmp_path / "tiny")
    async with engine(model) as backend:
        for prompt, before in zip(prompts, learned, strict=True):
            [same] = await read(backend, prompt)
            assert "What would" + same.text == before, "off, it changes nothing"
            limited = replace(prompt, sampling=replace(prompt.sampling, max_copied_words=3))
            [other] = await read(backend, limited)
            assert hold_against(index, before).longest > 3
            assert hold_against(index, "What would" + other.text).longest <= 3
            assert await read(backend, limited) == [other], "the same seed writes the same text"


async def test_without_an_index_of_the_training_texts_a_limit_on_copies_is_refused(
    tiny_model: Path,
):
    async with engine(tiny_model) as backend:
        with pytest.raises(BackendError, match="no index of its training texts"):
            await read(backend, Prompt("What", Sampling(max_copied_words=3)))


async def test_a_damaged_index_is_refused_before_the_model_serves(tiny_model: Path, tmp_path: Path):
    model = with_index(tiny_model, ["What would you do?"], tmp_path / "tiny")
    file = model / FILES["suffixes"]
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(BackendError, match=r"originality-suffixes\.npy .* is damaged"):
        async with engine(model):
            pass


async def test_log_probabilities_come_for_every_token_and_are_the_models_own(tiny_model: Path):
    async with engine(tiny_model) as backend:
        sampling = Sampling(temperature=0, max_tokens=12, logprobs=2)
        chunks = [chunk async for chunk in backend.generate(Prompt("What would", sampling))]
    told = [logprob for chunk in chunks for logprob in chunk.logprobs]
    assert chunks[-1].usage is not None
    assert len(told) == chunks[-1].usage.completion_tokens
    for one in told:
        assert next(iter(one.top)) == one.token
        assert one.logprob == max(one.top.values()) < 0
        assert len(one.top) == 2


PROMPTS = [
    " ".join(f"{word} {number}" for number, word in enumerate(WORDS * 4))[:length]
    for length in range(1, 151, 3)
]


async def test_fifty_prompts_in_any_order_get_the_greedy_text_of_transformers(tmp_path: Path):
    import torch
    from transformers import GPT2LMHeadModel

    model = tiny_model_directory(tmp_path / "long", context=256, width=64)
    tokenizer = Tokenizer.from_file(str(model / TOKENIZER))
    reference = GPT2LMHeadModel.from_pretrained(model.with_name("long-checkpoint"))

    def expected(text: str) -> str:
        ids = tokenizer.encode(text).ids
        written = reference.generate(  # pyright: ignore[reportCallIssue] # transformers' own typing is loose
            torch.tensor([ids]), do_sample=False, max_new_tokens=24, pad_token_id=0
        )[0, len(ids) :]
        return tokenizer.decode(written.tolist()).rstrip("�")

    dice = random.Random(5)
    shuffled = dice.sample(PROMPTS, len(PROMPTS))
    async with engine(model, slots=8) as backend:
        greedy = Sampling(temperature=0, max_tokens=24)
        texts = await asyncio.gather(
            *(arrive(backend, Prompt(text, greedy), dice) for text in shuffled)
        )
    assert len(shuffled) == 50
    for text, [whole] in zip(shuffled, texts, strict=True):
        assert whole.text.rstrip("�") == expected(text)


# ---- what it refuses


async def test_a_prefix_that_leaves_no_room_to_slide_is_refused(tiny_model: Path):
    async with engine(tiny_model) as backend:
        prompt = Prompt("x", Sampling(max_tokens=60), prefix="\x00" * 40)
        with pytest.raises(BackendError, match=r"prefix has 40 tokens, more than half of the 64"):
            await read(backend, prompt)


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
    task = asyncio.create_task(read(backend, Prompt("What would", LONG)))
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
    second = asyncio.create_task(read(backend, Prompt("How do you", n=3)))
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
    many = asyncio.create_task(read(backend, Prompt("How do", Sampling(max_tokens=3), n=9)))
    await until(lambda: backend.waiting == 1, "the many texts wait")
    few = asyncio.create_task(read(backend, Prompt("The bot", Sampling(max_tokens=3))))
    await until(lambda: backend.waiting == 2, "both wait")
    decoder.may_step.set()
    await asyncio.gather(first, many, few)
    _, how, the, *rest = decoder.prompts
    assert how != the
    assert rest == [how] * 8


async def test_a_prompt_is_read_once_for_all_of_its_texts(tiny_model: Path):
    async with breakable_engine(tiny_model) as (backend, decoder):
        sampling = Sampling(temperature=1, seed=1, max_tokens=20)
        await read(backend, Prompt("What would you do", sampling, n=4))
        assert decoder.prefills == 1


async def test_a_text_is_handed_over_before_what_it_leaves_behind_is_put_aside(tiny_model: Path):
    async with breakable_engine(tiny_model, kept=1) as (backend, decoder):
        decoder.may_copy.clear()
        [text] = await asyncio.wait_for(read(backend, Prompt("What would you do", LONG)), 30)
        assert text.finish_reason == "length"


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


async def test_an_error_between_two_steps_takes_nothing_from_a_finished_text_and_the_engine_goes_on(
    tiny_model: Path,
):
    prompt = Prompt(LONG_ENOUGH_TO_KEEP, replace(LONG, max_tokens=5))
    async with breakable_engine(tiny_model, kept=2) as (backend, decoder):
        decoder.copies = False  # so that what a text leaves behind cannot be kept
        first = await read(backend, prompt)
        decoder.copies = True
        assert await read(backend, prompt) == first
        await until(lambda: backend.load().running == 0, "its slot is free")


async def test_an_error_between_two_steps_ends_the_texts_under_way(tiny_model: Path):
    async with breakable_engine(tiny_model, kept=2) as (backend, decoder):
        decoder.copies = False
        decoder.may_step.clear()
        others = await begin(backend, decoder)
        prompt = Prompt(LONG_ENOUGH_TO_KEEP, replace(LONG, max_tokens=5))
        finished = asyncio.create_task(read(backend, prompt))
        await until(lambda: backend.waiting == 1, "it waits to join")
        decoder.may_step.set()
        assert (await finished)[0].finish_reason == "length"
        with pytest.raises(BackendError, match="failed while writing"):
            await others
        decoder.copies = True
        assert (await read(backend, Prompt("What", LONG)))[0].finish_reason == "length"


async def test_what_cannot_be_sampled_concerns_its_own_request_only(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
):
    enter = Sampler.enter

    def refusing(sampler: Sampler, row: int, sampling: Sampling, *others: Any) -> None:
        if sampling.max_tokens == 3:
            raise OverflowError
        enter(sampler, row, sampling, *others)

    monkeypatch.setattr(Sampler, "enter", refusing)
    async with breakable_engine(tiny_model) as (backend, decoder):
        decoder.may_step.clear()
        good = await begin(backend, decoder)
        bad = asyncio.create_task(read(backend, Prompt("What", Sampling(max_tokens=3))))
        await until(lambda: backend.waiting == 1, "it waits to join")
        decoder.may_step.set()
        with pytest.raises(BackendError, match="failed while writing"):
            await bad
        assert (await good)[0].finish_reason == "length"
