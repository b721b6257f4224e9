"""The http backend against a server that we did not write, which serves a run of our trainer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from backends import ModelSpec, Prompt, Sampling, Value
from backends.http_backend import open_http
from backends.http_backend.backend import HttpBackend
from tests.backends.http_backend.asking import ask
from tests.backends.http_backend.transformers_serve import Server, serve
from trainer.cli import main

END = "<|endoftext|>"
GREEDY = Sampling(temperature=0, max_tokens=12)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The best checkpoint of a real run, trained for a moment on one long text.

    It has seen one end in thousands of tokens, so its greedy texts never end by themselves.
    """
    folder = tmp_path_factory.mktemp("run")
    data = folder / "questions.txt"
    words = ("first", "best", "last")
    data.write_text(" ".join(f"What is the {words[i % 3]} of {i}?" for i in range(1000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = "--model fresh:tiny --run served --steps 3 --context 1024"
        assert main(["finetune", str(data), *given.split()]) == 0
    return folder / "runs" / "served" / "checkpoints" / "best"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(checkpoint: Path) -> AsyncIterator[Server]:
    async with serve(checkpoint) as server:
        yield server


@asynccontextmanager
async def model(server: Server, checkpoint: Path, **options: Value) -> AsyncIterator[HttpBackend]:
    given = {"url": server.url, "model": str(checkpoint), "empty_prompt": END, **options}
    backend = await open_http(ModelSpec("served", "http", options=given))
    assert isinstance(backend, HttpBackend)
    try:
        yield backend
    finally:
        await backend.aclose()


async def test_its_greedy_text_is_that_of_the_checkpoint(server: Server, checkpoint: Path):
    import torch
    from tokenizers import Tokenizer
    from transformers import GPT2LMHeadModel

    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    reference = GPT2LMHeadModel.from_pretrained(checkpoint)
    ids = tokenizer.encode("What is").ids
    written = reference.generate(  # pyright: ignore[reportCallIssue] # transformers' own typing is loose
        torch.tensor([ids]), do_sample=False, max_new_tokens=12, pad_token_id=0
    )[0, len(ids) :].tolist()
    async with model(server, checkpoint) as served:
        told = await ask(served, Prompt("is", GREEDY, prefix="What "))
    assert told.error == ""
    assert told.text == tokenizer.decode(written)
    usage = told.last.usage
    assert usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (len(ids), len(written))


async def test_a_text_is_streamed(server: Server, checkpoint: Path):
    async with model(server, checkpoint) as served:
        told = await ask(served, Prompt("What is", GREEDY))
    assert len([chunk for chunk in told.chunks if chunk.text]) > 1


async def test_the_seed_it_reports_writes_a_text_again(server: Server, checkpoint: Path):
    sampling = Sampling(temperature=1, max_tokens=20)
    async with model(server, checkpoint) as served:
        first = await ask(served, Prompt("What is", sampling))
        seed = first.last.seed
        assert seed is not None
        again = await ask(served, Prompt("What is", Sampling(1, max_tokens=20, seed=seed)))
        other = await ask(served, Prompt("What is", Sampling(1, max_tokens=20, seed=seed + 1)))
    assert first.text == again.text != other.text


async def test_several_texts_at_once_each_end_once(server: Server, checkpoint: Path):
    async with model(server, checkpoint) as served:
        told = await ask(served, Prompt("What is", Sampling(max_tokens=8), n=3))
    assert told.error == ""
    assert sorted(chunk.index for chunk in told.chunks if chunk.finish_reason) == [0, 1, 2]


async def test_a_stop_string_ends_the_text_before_it(server: Server, checkpoint: Path):
    async with model(server, checkpoint) as served:
        whole = await ask(served, Prompt("What is", GREEDY))
        stop = whole.text[5:8]
        cut = await ask(served, Prompt("What is", Sampling(temperature=0, stop=(stop,))))
    assert cut.text == whole.text.split(stop)[0]
    assert cut.last.finish_reason == "stop"


async def test_an_empty_prompt_begins_at_the_end_token(server: Server, checkpoint: Path):
    async with model(server, checkpoint) as served:
        assert (await ask(served, Prompt("", GREEDY))).text
    async with model(server, checkpoint, empty_prompt="") as served:
        assert "write a few words first" in (await ask(served, Prompt("", GREEDY))).error


async def test_what_it_refuses_is_told_in_its_words(server: Server, checkpoint: Path):
    async with model(server, checkpoint, model="another") as served:
        told = await ask(served)
    assert 'refused the request (400): "Server is pinned to' in told.error
    async with model(server, checkpoint, takes="top_k") as served:
        told = await ask(served)
    assert "refused the request (422): \"Unexpected fields in the request: {'top_k'}" in told.error


async def test_a_server_killed_while_it_writes_leaves_an_incomplete_text(checkpoint: Path):
    # Far longer than it takes to kill the server.
    long = Prompt("What is", Sampling(temperature=0, max_tokens=1000))
    async with serve(checkpoint) as server, model(server, checkpoint) as served:
        told = await ask(served, long, at_first=server.process.kill)
        assert told.text
        assert not any(chunk.finish_reason for chunk in told.chunks)
        assert told.error.startswith("The text is incomplete: the server of the model served ")
        assert "cannot be reached" in (await ask(served)).error
