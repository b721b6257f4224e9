import asyncio

import pytest

from backends import BackendError, Load, Measured, ModelSpec, Prompt, Sampling, Usage
from backends.http_backend import open_http
from backends.http_backend.breaker import FAILURES
from plugins.loader import load_plugins
from tests.backends.http_backend.asking import ask, model
from tests.fakes.fake_completions import (
    FakeCompletions,
    cuts,
    event,
    hangs,
    line,
    pieces_of,
    refuses,
    sends,
    writes,
)
from tests.waiting import until

AT_ONCE = {"Retry-After": "0"}


# ---- what it writes


async def test_a_text_is_streamed_piece_by_piece_with_its_count_at_the_end():
    async with FakeCompletions() as server, model(server) as big:
        told = await ask(big, "Tell me more")
    assert [chunk.text for chunk in told.chunks] == ["Once", " upon", " a time.", ""]
    assert told.last.finish_reason == "stop"
    assert told.last.usage == Usage(prompt_tokens=3, completion_tokens=3)


async def test_text_i_of_a_seeded_prompt_uses_seed_plus_i():
    async with FakeCompletions() as server, model(server) as big:
        told = await ask(big, Prompt("Go on", Sampling(seed=40), n=3))
        assert sorted(body["seed"] for body in server.bodies) == [40, 41, 42]
        assert not any("n" in body for body in server.bodies)
    assert told.texts == ["Once upon a time."] * 3
    last = {chunk.index: chunk.seed for chunk in told.chunks if chunk.finish_reason}
    assert last == {0: 40, 1: 41, 2: 42}


async def test_without_a_seed_one_is_drawn_and_told():
    async with FakeCompletions() as server, model(server) as big:
        told = await ask(big)
        assert told.last.seed == server.bodies[0]["seed"]
        assert (await ask(big)).last.seed != told.last.seed


async def test_one_text_that_fails_does_not_take_the_others_along():
    async with FakeCompletions() as server, model(server, retries=0) as big:
        server.behaviours += [writes("one"), refuses(500), writes("two")]
        told = await ask(big, Prompt("Go on", n=3))
    assert sorted(told.texts) == ["", "one", "two"]
    assert len([chunk for chunk in told.chunks if chunk.finish_reason]) == 2
    assert "failed (500)" in told.error


async def test_logprobs_are_reported_where_asked_for():
    logprobs = {"tokens": ["Hi"], "token_logprobs": [-0.25], "top_logprobs": [{"Hi": -0.25}]}
    async with FakeCompletions() as server, model(server, takes="logprobs") as big:
        server.behaviours.append(sends(line(event("Hi", "stop", logprobs=logprobs))))
        told = await ask(big, Prompt("Go on", Sampling(logprobs=1)))
        assert server.bodies[0]["logprobs"] == 1
    [only] = [one for chunk in told.chunks for one in chunk.logprobs]
    assert (only.token, only.logprob, only.top) == ("Hi", -0.25, {"Hi": -0.25})


async def test_a_wish_that_the_server_does_not_take_never_reaches_it():
    async with FakeCompletions() as server, model(server) as big:
        assert "cannot do top_k" in (await ask(big, Prompt("Go on", Sampling(top_k=3)))).error
        assert server.calls == []


# ---- several servers


async def test_requests_go_to_the_server_that_has_the_fewest():
    async with FakeCompletions() as one, FakeCompletions() as two, model(one, two) as big:
        one.otherwise = two.otherwise = hangs(*pieces_of(["Once"]))
        reading = asyncio.create_task(ask(big, Prompt("Go on", n=6)))
        await until(lambda: len(one.calls) + len(two.calls) == 6, "all were asked")
        assert big.load() == Load(running=6)
        assert (len(one.calls), len(two.calls)) == (3, 3)
        reading.cancel()


async def test_a_request_that_fails_before_its_first_token_goes_to_another_server_at_once():
    async with FakeCompletions() as bad, FakeCompletions() as good, model(bad, good) as big:
        # It asks for an hour, which nobody waits: the other one is free.
        bad.otherwise = refuses(503, headers={"Retry-After": "3600"})
        assert (await ask(big)).text == "Once upon a time."
        assert (len(bad.calls), len(good.calls)) == (1, 1)


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_a_server_that_is_set_up_wrongly_does_not_keep_requests_from_others(status: int):
    async with FakeCompletions() as bad, FakeCompletions() as good, model(bad, good) as big:
        bad.otherwise = refuses(status)
        assert [(await ask(big)).error for _ in range(3)] == [""] * 3
        good.otherwise = refuses(status)
        assert f"({status})" in (await ask(big)).error
    async with FakeCompletions() as only, model(only) as big:
        only.otherwise = refuses(status)
        assert f"({status})" in (await ask(big)).error
        assert len(only.calls) == 1


async def test_a_server_that_keeps_failing_is_left_alone():
    async with FakeCompletions() as bad, FakeCompletions() as good, model(bad, good) as big:
        bad.otherwise = cuts()
        for _ in range(FAILURES + 5):
            assert (await ask(big)).error == ""
        assert len(bad.calls) == FAILURES


async def test_when_all_are_left_alone_a_sentence_comes_at_once():
    async with FakeCompletions() as bad, model(bad, retries=FAILURES - 1) as big:
        bad.otherwise = refuses(500, headers=AT_ONCE)
        assert "failed (500)" in (await ask(big)).error
        told = (await ask(big)).error
        assert told.startswith("The server of the model big failed several times in a row")
        assert len(bad.calls) == FAILURES


async def test_a_key_that_is_refused_does_not_close_the_way_for_others():
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours += [refuses(401)] * (FAILURES + 1)
        for _ in range(FAILURES + 1):
            await ask(big)
        assert (await ask(big)).text == "Once upon a time."


# ---- its life


async def test_closing_ends_texts_under_way_as_cancelled():
    async with FakeCompletions() as server, model(server) as big:
        server.otherwise = hangs(*pieces_of(["Once"]))
        reading = asyncio.create_task(ask(big, Prompt("Go on", n=2)))
        await until(lambda: len(server.calls) == 2, "both were asked")
        await big.aclose()
        told = await reading
        assert [chunk.finish_reason for chunk in told.chunks if chunk.finish_reason] == [
            "cancelled",
            "cancelled",
        ]
        for call in server.calls:
            await call.gone.wait()
        with pytest.raises(BackendError, match="is closed"):
            await anext(big.generate(Prompt("Go on")))


async def test_a_server_that_is_down_does_not_hinder_the_start():
    backend = await open_http(ModelSpec("big", "http", options={"url": "http://127.0.0.1:9"}))
    await backend.aclose()


async def test_it_tells_what_a_user_may_know_and_not_where_the_servers_are():
    async with FakeCompletions() as server, model(server, model="org/big", context=1024) as big:
        info = big.info()
        assert isinstance(big, Measured)
    assert (info.name, info.backend, info.context) == ("big", "http", 1024)
    assert info.details == {"Model": "org/big", "Servers": "1"}


async def test_it_is_offered_under_its_name():
    factory = load_plugins().backends["http"]
    with pytest.raises(BackendError, match="needs the option 'url'"):
        await factory(ModelSpec("big", "http"))
