import asyncio
import codecs
import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from backends import BackendError, Load, Measured, Prompt, Sampling, Usage
from backends.hugging_face.backend import HuggingFaceBackend
from tests.backends.hugging_face.checkpoints import serving
from tests.backends.onnx_engine.engines import Whole, read
from tests.waiting import until
from trainer.cli import main

WORDS = ("What", "How do you", "ROMEO: But soft", "naïve ☕", "🎉🎉", "The bot writes")
SERVED = [
    ("transformers", "gpt2"),
    ("transformers", "llama"),
    ("optimum", "gpt2-onnx"),
    ("optimum", "llama-onnx"),
]
both = pytest.mark.parametrize(("backend", "name"), SERVED)
WARM = Sampling(temperature=1, seed=3, max_tokens=40)
ENDLESS = Sampling(temperature=1, seed=3, max_tokens=50, logit_bias={0: -1000, 1: -1000})


class Gate:
    """Lets a real model compute only as many steps as a test allows, and counts them."""

    def __init__(self, forward: Any) -> None:
        self.steps = 0
        self.open = Event()
        self.open.set()
        self.error: Exception | None = None
        self._forward = forward
        functools.update_wrapper(self, forward)  # `generate` looks at its parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.steps += 1
        self.open.wait()
        if self.error:
            raise self.error
        return self._forward(*args, **kwargs)


@contextmanager
def gated(backend: HuggingFaceBackend) -> Iterator[Gate]:
    model = backend._loaded.decoder._model
    gate = Gate(model.forward)
    model.forward = gate
    try:
        yield gate
    finally:
        gate.open.set()


# ---- what it writes


def greedy(checkpoint: Path, ids: list[int], length: int) -> list[int]:
    """Return the tokens that transformers itself writes."""
    from transformers import AutoModelForCausalLM

    given = torch.tensor([ids])
    whole = AutoModelForCausalLM.from_pretrained(checkpoint).generate(
        given,
        attention_mask=torch.ones_like(given),
        do_sample=False,
        max_new_tokens=length,
        pad_token_id=0,
    )
    return whole[0, len(ids) :].tolist()


@both
async def test_greedy_text_is_that_of_transformers(backend: str, name: str, models: Path):
    async with serving(backend, models / name) as served:
        for text in WORDS:
            [whole] = await read(served, Prompt(text, Sampling(temperature=0, max_tokens=30)))
            ids = served._encode(text)
            written = greedy(models / name.removesuffix("-onnx"), ids, 30)
            ended = written[-1] in served._loaded.end_tokens
            # A character that is unfinished at the end is left out.
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            known = served._token_bytes
            assert whole.text == decoder.decode(b"".join(known[token] for token in written))
            assert whole.usage == Usage(len(ids), len(written) - ended)
            assert whole.finish_reason == ("stop" if ended else "length")


@both
async def test_a_text_of_a_seed_is_written_again_by_that_seed(
    backend: str, name: str, models: Path
):
    async with serving(backend, models / name) as served:
        [first] = await read(served, Prompt("What", Sampling(temperature=1)))
        assert first.seed is not None
        again = Sampling(temperature=1, seed=first.seed)
        assert await read(served, Prompt("What", again)) == [first]


@both
async def test_text_i_has_seed_plus_i_whatever_else_is_asked_for(
    backend: str, name: str, models: Path
):
    async with serving(backend, models / name) as served:
        many, others = await asyncio.gather(
            read(served, Prompt("What", WARM, n=3)), read(served, Prompt("How do you", WARM, n=3))
        )
        for i in range(3):
            sampling = Sampling(temperature=1, seed=3 + i, max_tokens=40)
            assert await read(served, Prompt("What", sampling)) == [many[i]]
            assert await read(served, Prompt("How do you", sampling)) == [others[i]]
    assert len({whole.text for whole in many}) == 3


async def test_both_backends_write_the_same_text_of_a_seed(models: Path):
    async with (
        serving("transformers", models / "gpt2") as one,
        serving("optimum", models / "gpt2-onnx") as other,
    ):
        assert await read(one, Prompt("What", WARM)) == await read(other, Prompt("What", WARM))


async def test_torchs_own_random_numbers_are_left_alone(gpt2: Path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    async with serving("transformers", gpt2) as served:
        await read(served, Prompt("What", WARM))
    assert torch.equal(torch.get_rng_state(), before)


@both
async def test_a_stop_string_cuts_the_very_text_that_would_have_been_written(
    backend: str, name: str, models: Path
):
    async with serving(backend, models / name) as served:
        [whole] = await read(served, Prompt("What", WARM))
        for i in range(0, len(whole.text) - 2, 8):
            stop = whole.text[i : i + 3]
            cut = Sampling(temperature=1, seed=3, max_tokens=40, stop=(stop,))
            [stopped] = await read(served, Prompt("What", cut))
            assert stopped.text == whole.text.split(stop)[0]
            assert stopped.finish_reason == "stop"


@both
async def test_a_banned_word_never_comes(backend: str, name: str, models: Path):
    async with serving(backend, models / name) as served:
        [whole] = await read(served, Prompt("What", WARM))
        letters = {letter for letter in whole.text.casefold() if letter.isalpha()}
        banned = tuple(sorted(letters)[:3])
        sampling = Sampling(temperature=1, seed=3, max_tokens=40, bad_words=banned)
        [without] = await read(served, Prompt("What", sampling))
    assert banned
    assert not set(banned) & set(without.text.casefold())


async def test_bias_penalties_and_limits_reach_the_sampler(gpt2: Path):
    async with serving("transformers", gpt2) as served:
        [plain] = await read(served, Prompt("What", WARM))
        for changed in (
            {"logit_bias": {5: 100}},
            {"presence_penalty": 2},
            {"repetition_penalty": 5},
            {"top_k": 2},
            {"top_p": 0.3},
            {"min_p": 0.5},
            {"temperature": 0.1},
        ):
            given = {"temperature": 1, "seed": 3, "max_tokens": 40, **changed}
            [other] = await read(served, Prompt("What", Sampling(**given)))
            assert other.text != plain.text, changed


@both
async def test_log_probabilities_are_the_models_own(backend: str, name: str, models: Path):
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(models / name.removesuffix("-onnx"))
    sampling = Sampling(temperature=2, repetition_penalty=2, seed=1, max_tokens=1, logprobs=4)
    async with serving(backend, models / name) as served:
        [chunk] = [chunk async for chunk in served.generate(Prompt("What", sampling))]
        ids = served._encode("What")
    with torch.no_grad():
        expected = torch.log_softmax(reference(torch.tensor([ids])).logits[0, -1].double(), 0)
    [told] = chunk.logprobs
    assert list(told.top.values()) == pytest.approx(expected.topk(4).values.tolist(), abs=1e-4)
    assert any(abs(told.logprob - value) < 1e-4 for value in expected.tolist())


async def test_what_a_checkpoint_proposes_for_sampling_does_not_act(gpt2: Path, tmp_path: Path):
    proposing = shutil.copytree(gpt2, tmp_path / "proposing")
    proposal = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 3.0, "top_k": 1}
    proposal |= {"eos_token_id": 0, "max_new_tokens": 3, "suppress_tokens": list(range(9, 200))}
    (proposing / "generation_config.json").write_text(json.dumps(proposal))
    async with serving("transformers", gpt2) as one, serving("transformers", proposing) as other:
        assert await read(one, Prompt("What", WARM)) == await read(other, Prompt("What", WARM))


async def test_each_of_several_end_tokens_ends_a_text(gpt2: Path, tmp_path: Path):
    async with serving("transformers", gpt2) as served:
        [whole] = await read(served, Prompt("What", Sampling(temperature=0, max_tokens=20)))
        second = served._encode("What" + whole.text)[1]
    several = shutil.copytree(gpt2, tmp_path / "several")
    (several / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, second]}))
    async with serving("transformers", several) as served:
        [ended] = await read(served, Prompt("What", Sampling(temperature=0, max_tokens=20)))
    assert ended.finish_reason == "stop"
    assert len(ended.text) < len(whole.text)


# ---- the prompt


@both
async def test_prompt_and_text_fill_the_context_and_no_more(backend: str, name: str, models: Path):
    async with serving(backend, models / name) as served:
        sampling = Sampling(temperature=1, max_tokens=5000, logit_bias={0: -1000, 1: -1000})
        [whole] = await read(served, Prompt("What would", sampling))
    assert whole.usage is not None
    assert whole.usage.prompt_tokens + whole.usage.completion_tokens == 64
    assert whole.finish_reason == "length"


@both
async def test_a_prompt_that_leaves_no_room_is_a_sentence(backend: str, name: str, models: Path):
    async with serving(backend, models / name) as served:
        with pytest.raises(
            BackendError, match=r"The prompt has \d+ tokens; .* can have 64 together: shorten"
        ):
            await read(served, Prompt("word " * 64))


async def test_the_operator_can_make_the_context_smaller(gpt2: Path):
    async with serving("transformers", gpt2, context=20) as served:
        assert served.info().context == 20
        sampling = Sampling(temperature=1, max_tokens=50, logit_bias={0: -1000})
        [whole] = await read(served, Prompt("What would", sampling))
    assert whole.usage == Usage(2, 18)


@both
async def test_an_empty_prompt_begins_at_the_models_first_token(
    backend: str, name: str, models: Path
):
    async with serving(backend, models / name) as served:
        [whole] = await read(served, Prompt("", Sampling(max_tokens=3, seed=1)))
    assert whole.usage is not None
    assert whole.usage.prompt_tokens == 1


async def test_a_model_that_cannot_begin_asks_for_words(gpt2: Path, tmp_path: Path):
    mute = shutil.copytree(gpt2, tmp_path / "mute")
    (mute / "generation_config.json").unlink()
    config = json.loads((mute / "config.json").read_text())
    config |= {"bos_token_id": None, "eos_token_id": None}
    (mute / "config.json").write_text(json.dumps(config))
    async with serving("transformers", mute) as served:
        with pytest.raises(BackendError, match="write a few words first"):
            await read(served, Prompt(""))
        [whole] = await read(served, Prompt("What", Sampling(max_tokens=10, seed=0)))
    assert whole.finish_reason == "length"


async def test_a_token_without_weights_is_a_sentence(gpt2: Path, tmp_path: Path):
    from tokenizers import Tokenizer

    larger = shutil.copytree(gpt2, tmp_path / "larger")
    tokenizer = Tokenizer.from_file(str(larger / "tokenizer.json"))
    tokenizer.add_special_tokens(["<pad>"])
    tokenizer.save(str(larger / "tokenizer.json"))
    async with serving("transformers", larger) as served:
        with pytest.raises(BackendError, match="has no weights for <pad>"):
            await read(served, Prompt("What <pad>"))


@both
async def test_a_limit_on_copies_is_refused_not_dropped(backend: str, name: str, models: Path):
    async with serving(backend, models / name) as served:
        with pytest.raises(BackendError, match=f"{backend} backend cannot do max_copied_words"):
            await read(served, Prompt("What", Sampling(max_copied_words=5)))


# ---- who waits, who leaves


@both
async def test_leaving_in_the_middle_of_a_text_frees_the_model_at_the_next_token(
    backend: str, name: str, models: Path
):
    async with serving(backend, models / name) as served:
        with gated(served) as gate:
            chunks = served.generate(Prompt("What", ENDLESS, n=5))
            async with aclosing(chunks):
                await anext(chunks)
            at_leaving = gate.steps
            await until(lambda: served.load().running == 0, "the model is free")
            assert gate.steps <= at_leaving + 2
        assert served.load().waiting == 0
        assert await read(served, Prompt("What", WARM))


async def test_cancelling_the_reader_frees_the_model(gpt2: Path):
    async with serving("transformers", gpt2) as served:
        with gated(served) as gate:
            gate.open.clear()
            reading = asyncio.create_task(read(served, Prompt("What", ENDLESS, n=5)))
            await until(lambda: gate.steps == 1, "the model computes")
            reading.cancel()
            await asyncio.wait([reading])
            gate.open.set()
            await until(lambda: served.load().running == 0, "the model is free")
            assert gate.steps == 1


async def test_requests_take_turns_text_by_text_while_the_event_loop_goes_on(gpt2: Path):
    async with serving("transformers", gpt2) as served:
        with gated(served) as gate:
            gate.open.clear()
            order: list[str] = []

            async def follow(name: str, n: int) -> None:
                async for chunk in served.generate(Prompt("What", WARM, n=n)):
                    if chunk.finish_reason:
                        order.append(f"{name}{chunk.index}")

            first = asyncio.create_task(follow("a", 3))
            await until(lambda: gate.steps == 1, "the first text is computed")
            second = asyncio.create_task(follow("b", 2))
            await until(lambda: served.load().waiting == 4, "the others wait")
            load = served.load()
            assert (load.running, load.slots) == (1, 1)
            assert 0 < load.cache_usage < 1
            gate.open.set()
            await asyncio.gather(first, second)
    assert order == ["a0", "a1", "b0", "a2", "b1"]


@both
async def test_closing_ends_texts_under_way_and_waiting_as_cancelled(
    backend: str, name: str, models: Path
):
    async with serving(backend, models / name) as served:
        with gated(served) as gate:
            gate.open.clear()
            reading = [
                asyncio.create_task(read(served, Prompt("What", ENDLESS, n=2))) for _ in range(2)
            ]
            await until(lambda: served.load().waiting == 3, "one is written, three wait")
            closing = asyncio.create_task(served.aclose())
            await until(lambda: served._worker._closed, "the model is being closed")
            gate.open.set()
            await closing
            wholes = [whole for task in reading for whole in await task]
    assert [whole.finish_reason for whole in wholes] == ["cancelled"] * 4
    assert served._loaded.decoder._model is None
    with pytest.raises(BackendError, match="The model tiny is closed"):
        await read(served, Prompt("What"))


async def test_it_tells_its_load(gpt2: Path):
    async with serving("transformers", gpt2) as served:
        assert isinstance(served, Measured)
        weights, cache = 4 * served._loaded.decoder._model.num_parameters(), 2 * 2 * 32 * 64 * 4
        assert served.load().memory_bytes >= weights + cache
        assert served.load() == Load(slots=1, memory_bytes=served.load().memory_bytes)


# ---- what goes wrong while it writes


@both
async def test_a_failure_is_a_sentence_and_the_next_request_is_served(
    backend: str, name: str, models: Path, caplog: pytest.LogCaptureFixture
):
    async with serving(backend, models / name) as served:
        before = await read(served, Prompt("What", WARM))
        with gated(served) as gate:
            gate.error = RuntimeError("secret details of a library")
            with pytest.raises(BackendError, match="The model tiny failed while writing") as told:
                await read(served, Prompt("What", WARM, n=3))
            gate.error = None
            assert await read(served, Prompt("What", WARM)) == before
    assert "secret" not in str(told.value)
    assert "secret details" in caplog.text


async def test_a_gpu_without_memory_is_a_sentence_and_the_next_request_is_served(gpt2: Path):
    async with serving("transformers", gpt2) as served:
        with gated(served) as gate:
            gate.error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            with pytest.raises(BackendError, match="The GPU's memory is too small for the model"):
                await read(served, Prompt("What", WARM))
            gate.error = None
            assert await read(served, Prompt("What", WARM))


async def test_weights_that_are_no_numbers_are_a_sentence(gpt2: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    damaged = shutil.copytree(gpt2, tmp_path / "damaged")
    weights = load_file(damaged / "model.safetensors")
    weights["transformer.ln_f.bias"][0] = torch.nan
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    async with serving("transformers", damaged) as served:
        with pytest.raises(BackendError, match="not a number: its weights are damaged"):
            await read(served, Prompt("What"))


# ---- straight from a run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the trainer on short texts, trained for a moment."""
    folder = tmp_path_factory.mktemp("run")
    data = folder / "titles.csv"
    data.write_text("title\n" + "".join(f"What is the best of {i}?\n" for i in range(300)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = "--model fresh:tiny --run titles --steps 3 --context 64 --source here --licence MIT"
        assert main(["finetune", str(data), *given.split()]) == 0
    return folder / "runs" / "titles"


async def test_a_run_is_served_by_its_best_checkpoint_as_it_was_trained(run: Path):
    async with serving("transformers", run) as served:
        from_run = await read(served, Prompt("What is", WARM))
        assert served.info().details["Training data"] == "here (licence: MIT)"
        # Short texts were divided by the end token: with it each begins.
        assert served._encode("What is")[0] == served._encode("")[0]
    async with serving("transformers", run / "checkpoints" / "best") as served:
        assert await read(served, Prompt("What is", WARM)) == from_run


async def test_a_run_writes_what_its_export_writes(run: Path, tmp_path: Path):
    from tests.backends.onnx_engine.engines import engine

    assert main(["export", "--run", "titles", "--runs-dir", str(run.parent),
                 "--to", str(tmp_path / "titles"), "--precision", "fp32"]) == 0  # fmt: skip
    async with serving("transformers", run) as one, engine(tmp_path / "titles") as other:
        prompt = Prompt("What is", WARM, n=2)
        whole: list[Whole] = await read(one, prompt)
        assert whole == await read(other, prompt)
