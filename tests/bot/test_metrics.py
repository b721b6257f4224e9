"""What is counted around a backend's stream, read back as Prometheus would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backends import BackendError, Chunk, Usage
from bot.core import Core
from bot.fair_queue import Whose
from bot.metrics import Metrics
from bot.models import ModelPool
from bot.waiting_line import Lines
from tests.core import ECHO, ask, running_core
from tests.waiting import until


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One value of what is scraped."""
    wanted = {"model_name": "echo", **labels}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for one in family.samples:
            if one.name == f"chinwag_{name}" and wanted.items() <= one.labels.items():
                return one.value
    return None


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return Metrics(Lines(1, 1), ModelPool(tmp_path, {}, {}), clock=Ticks())


class Ticks:
    """A clock on which each look takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


async def stream(*chunks: Chunk | Exception) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


def last(text: str, index: int = 0, tokens: int = 2, prompt: int = 3) -> Chunk:
    return Chunk(text, index, "stop", Usage(prompt, tokens))


async def test_the_text_passes_unchanged_and_every_token_is_counted(metrics: Metrics):
    chunks = [Chunk("a"), Chunk("b"), last("", tokens=5)]
    passed = [one async for one in metrics.watch("echo", stream(*chunks), 0.0)]
    assert passed == chunks
    assert sample(metrics, "generation_tokens_total") == 5
    assert sample(metrics, "prompt_tokens_total") == 3
    assert sample(metrics, "request_success_total", finished_reason="stop") == 1
    assert sample(metrics, "time_to_first_token_seconds_count") == 1
    assert sample(metrics, "inter_token_latency_seconds_count") == 1
    assert sample(metrics, "e2e_request_latency_seconds_count") == 1


async def test_the_first_token_is_timed_from_the_question_and_the_next_from_the_one_before(
    metrics: Metrics,
):
    async for _ in metrics.watch("echo", stream(Chunk("a"), Chunk("b"), last("c")), -9.0):
        pass
    first = sample(metrics, "time_to_first_token_seconds_sum")
    between = sample(metrics, "inter_token_latency_seconds_sum")
    whole = sample(metrics, "e2e_request_latency_seconds_sum")
    assert first == 10
    assert between is not None
    assert whole is not None
    assert whole > first + between > first


async def test_texts_of_one_prompt_count_each_but_the_prompt_once(metrics: Metrics):
    chunks = (Chunk("a", 0), Chunk("a", 1), last("", 1), last("", 0))
    async for _ in metrics.watch("echo", stream(*chunks), 0.0):
        pass
    assert sample(metrics, "request_success_total", finished_reason="stop") == 2
    assert sample(metrics, "prompt_tokens_total") == 3
    assert sample(metrics, "time_to_first_token_seconds_count") == 1
    assert sample(metrics, "inter_token_latency_seconds_count") is None


async def test_a_reader_who_leaves_and_an_error_are_told_apart(metrics: Metrics):
    async with aclosing(metrics.watch("echo", stream(Chunk("a"), last("b")), 0.0)) as watched:  # pyright: ignore[reportArgumentType, reportUnknownVariableType] - it is a generator
        await anext(watched)
    with pytest.raises(BackendError):
        async for _ in metrics.watch("echo", stream(BackendError("Broken.")), 0.0):
            pass
    assert sample(metrics, "request_success_total", finished_reason="abort") == 1
    assert sample(metrics, "request_success_total", finished_reason="error") == 1
    assert sample(metrics, "request_success_total", finished_reason="stop") is None


async def test_running_waiting_and_the_engines_own_figures_are_those_of_this_moment(
    tmp_path: Path,
):
    async with running_core(tmp_path, {**ECHO, "limits": {"concurrent": 1}}) as core:
        line = core.lines.of("echo")
        who = Whose("guild", "user")
        with line.join(who), line.join(who), line.join(who):
            assert sample(core.metrics, "num_requests_running") == 1
            assert sample(core.metrics, "num_requests_waiting") == 2
        assert sample(core.metrics, "num_requests_running") == 0
        async with core.models.use("echo"):
            assert sample(core.metrics, "slots_active") == 1
            assert sample(core.metrics, "kv_cache_usage_perc") == 0
            assert sample(core.metrics, "prefix_cache_queries_total") == 0


async def test_what_users_ask_is_counted_and_nothing_of_them_or_their_words_is_told(
    tmp_path: Path,
):
    async with running_core(tmp_path) as core:
        await ask(core, "generate", text="private words here")
        text = core.metrics.text().decode()
        assert sample(core.metrics, "generation_tokens_total") == 3
        assert sample(core.metrics, "request_success_total", finished_reason="stop") == 1
    assert not any(word in text for word in ("private", "Ada", "guild", "lab"))


async def test_two_bots_in_one_process_count_for_themselves(tmp_path: Path):
    async def tokens(core: Core) -> float | None:
        return sample(core.metrics, "generation_tokens_total")

    async with running_core(tmp_path / "a") as one, running_core(tmp_path / "b") as other:
        await ask(one, "generate", text="x y")
        assert (await tokens(one), await tokens(other)) == (2, None)


async def test_tokens_are_counted_while_a_text_is_written(tmp_path: Path):
    config = {**ECHO, "models": {"echo": {"backend": "echo", "options": {"delay": 0.01}}}}
    async with running_core(tmp_path, config) as core:
        asking = asyncio.create_task(ask(core, "generate", text="word " * 500))
        await until(lambda: (sample(core.metrics, "generation_tokens_total") or 0) > 2, "some")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert core.metrics.recent["echo"].first_token
