"""Servers that misbehave: each way becomes a sentence, and what came before is kept."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from backends import Chunk, Prompt, Sampling
from backends.http_backend.event_stream import MAX_EVENT
from tests.backends.http_backend.asking import ask, model
from tests.fakes.fake_completions import (
    DONE,
    Behaviour,
    Call,
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

HTML = b"<html><body><h1>Welcome to nginx</h1></body></html>"
KEY = "sk-very-secret"


async def sentence(behaviour: Behaviour, **options: float) -> str:
    """What a user is told where a server behaves so and nothing is tried again."""
    async with FakeCompletions() as server, model(server, retries=0, **options) as big:
        server.behaviours.append(behaviour)
        told = await ask(big)
        assert told.chunks == []
        return told.error


# ---- what is no stream


@pytest.mark.parametrize(
    ("behaviour", "what"),
    [
        (refuses(400, {"error": {"message": "no"}}), 'refused the request (400): "no".'),
        (
            refuses(404, {"detail": "no model big"}),
            'does not know the address or the model (404): "no model big". Its address is in `url`',
        ),
        (refuses(429, headers={"Retry-After": "7"}), "is busy (429). Try again in 7 s."),
        (refuses(503, {"error": "worker died"}), 'failed (503): "worker died".'),
        (refuses(502, text=HTML.decode()), "failed (502). Try again in a moment."),
        (refuses(200, {"error": "no"}), 'did not answer with a stream of events: "no".'),
        (refuses(200, {"choices": [{"text": "whole"}]}), "did not answer with a stream of events."),
        (sends(HTML, content_type="text/html"), "did not answer with a stream of events."),
        (sends(b"data: {not json\n\n"), "sent something that is no completion event."),
        (sends(line({"error": {"message": "bad seed"}})), 'broke off with an error: "bad seed".'),
        (sends(b"data: " + b"x" * 2 * MAX_EVENT), "sent an event that is far too large."),
        (sends(b"x" * 2 * MAX_EVENT), "sent an event that is far too large."),
        (sends(), "ended the stream before the end of the text."),
        (sends(HTML), "ended the stream before the end of the text."),
        (cuts(b": hello\n\n"), "broke the connection."),
        (cuts(), "broke the connection."),
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_stream_becomes_a_sentence(behaviour: Behaviour, what: str):
    told = await sentence(behaviour)
    assert told.startswith(f"The server of the model big {what}")
    assert told.count(".") <= 3
    assert "<" not in told


async def test_what_is_not_even_http_becomes_a_sentence():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as other:
        server = FakeCompletions()
        server.url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        async with model(server, retries=0) as big:
            assert "answered with something that is no HTTP" in (await ask(big)).error


async def test_a_server_that_is_not_there_becomes_a_sentence():
    server = FakeCompletions()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with model(server, retries=0) as big:
            assert "cannot be reached. Try again" in (await ask(big)).error


async def test_a_redirect_is_not_followed():
    async with FakeCompletions() as elsewhere:
        to = {"Location": f"{elsewhere.url}/completions"}
        assert "redirects elsewhere (307)" in await sentence(refuses(307, headers=to))
        assert elsewhere.calls == []


# ---- the key


async def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BIG_KEY", KEY)
    async with FakeCompletions() as server, model(server, api_key_env="BIG_KEY") as big:
        await ask(big)
        assert server.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"
        for answer in (
            refuses(401, {"error": {"message": f"Incorrect API key: {KEY}"}}),
            refuses(400, {"error": {"message": f"The key {KEY} has no credit"}}),
            sends(line({"error": f"{KEY} is over its quota"})),
        ):
            server.behaviours.append(answer)
            told = (await ask(big)).error
            assert told
            assert KEY not in told
        assert "BIG_KEY" not in told


async def test_a_refused_key_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BIG_KEY", KEY)
    async with FakeCompletions() as server, model(server, api_key_env="BIG_KEY") as big:
        server.behaviours.append(refuses(403))
        assert (
            "refused the key (403). It comes from the environment variable BIG_KEY."
            in (await ask(big)).error
        )


# ---- the four timeouts


async def test_a_connection_that_is_not_taken_is_given_up():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        # The kernel completes a few connections by itself; with its queue full it takes no more.
        with socket.socket() as one, socket.socket() as two:
            for filler in (one, two):
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            server = FakeCompletions()
            server.url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            async with model(server, retries=0, connect_timeout=0.05) as big:
                assert "took no connection within 0.05 s" in (await ask(big)).error


async def test_a_server_that_never_writes_is_given_up():
    assert "wrote nothing within 0.05 s" in await sentence(hangs(), first_token_timeout=0.05)
    pinging = hangs(b": ping\n\n")
    assert "wrote nothing within 0.05 s" in await sentence(pinging, first_token_timeout=0.05)


async def test_a_server_that_falls_silent_is_given_up_and_the_text_so_far_kept():
    async with FakeCompletions() as server, model(server, between_tokens_timeout=0.05) as big:
        server.behaviours.append(hangs(*pieces_of(["Once", " upon"])))
        told = await ask(big)
    assert told.chunks == [Chunk("Once"), Chunk(" upon")]
    assert told.error == (
        "The text is incomplete: the server of the model big wrote nothing more for 0.05 s. "
        "Try again in a moment."
    )
    assert len(server.calls) == 1


async def test_a_text_that_takes_too_long_is_given_up_and_the_text_so_far_kept():
    async with FakeCompletions() as server, model(server, total_timeout=0.2) as big:
        server.behaviours.append(hangs(*pieces_of(["Once"])))
        told = await ask(big)
    assert told.text == "Once"
    assert "incomplete: the server of the model big did not finish within 0.2 s." in told.error


# ---- a stream's end


@pytest.mark.parametrize("end", [sends, cuts])
async def test_a_cut_stream_is_told_and_the_text_so_far_kept(end: Callable[..., Behaviour]):
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(end(*pieces_of(["Once", " upon a TIM"])))
        told = await ask(big, Prompt("Go on", Sampling(stop=("TIME",))))
    assert told.text == "Once upon a TIM", "also what might have become a stop string"
    assert not any(chunk.finish_reason for chunk in told.chunks)
    assert told.error.startswith("The text is incomplete: the server of the model big ")
    assert len(server.calls) == 1, "what was begun is not asked for again"


async def test_an_error_within_the_stream_is_told_and_the_text_so_far_kept():
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(sends(*pieces_of(["Once"]), line({"error": "out of memory"})))
        told = await ask(big)
    assert told.text == "Once"
    assert 'incomplete: the server of the model big broke off with an error: "out of' in told.error


@pytest.mark.parametrize(
    "rest",
    [
        (line(event("", "stop")),),
        (DONE,),
        (line(event("", "stop")), DONE),
        (line(event("", "stop")), b"data: {garbage"),
        (line(event("", "stop")), b"data: {garbage}\n\n"),
    ],
)
async def test_a_finish_reason_or_done_is_enough_for_a_whole_text(rest: tuple[bytes, ...]):
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(sends(*pieces_of(["Once"]), *rest))
        told = await ask(big)
    assert (told.text, told.last.finish_reason, told.error) == ("Once", "stop", "")


async def test_a_server_that_does_not_hang_up_after_the_end_is_left(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("backends.http_backend.writer.AFTERWORD", 0.05)
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(hangs(line(event("Once", "stop"))))
        told = await ask(big)
        await server.calls[0].gone.wait()
    assert (told.text, told.last.finish_reason, told.error) == ("Once", "stop", "")


# ---- going away


async def test_closing_the_iterator_closes_the_connection_at_once():
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(hangs(*pieces_of(["Once"])))
        stream = big.generate(Prompt("Go on"))
        assert (await anext(stream)).text == "Once"
        assert big.load().running == 1
        await stream.aclose()
        assert big.load().running == 0
        await server.calls[0].gone.wait()


async def test_cancelling_before_the_first_token_closes_the_connection_at_once():
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(hangs())
        reading = asyncio.create_task(ask(big))
        await until(lambda: server.calls, "the server was asked")
        reading.cancel()
        await server.calls[0].gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_stop_string_closes_the_connection_though_the_server_goes_on():
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(hangs(*pieces_of(["Once", " upon a", " time"])))
        told = await ask(big, Prompt("Go on", Sampling(stop=("on a t",))))
        await server.calls[0].gone.wait()
    assert (told.text, told.last.finish_reason) == ("Once up", "stop")


async def test_a_reader_who_is_behind_holds_the_server_back():
    many, sent = 20_000, 0

    async def behave(call: Call) -> web.StreamResponse:
        nonlocal sent
        response = await call.begin()
        while sent < many:
            await response.write(line(event("x" * 1000)))
            sent += 1
        return response

    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(behave)
        stream = big.generate(Prompt("Go on", Sampling(max_tokens=many)))
        await anext(stream)
        for _ in range(3000):  # turns of the event loop: more than it takes to read all of it
            await asyncio.sleep(0)
        await stream.aclose()
    assert sent < many


# ---- asking again


async def test_before_the_first_token_a_failed_request_is_made_again():
    async with FakeCompletions() as server, model(server) as big:
        zero = {"Retry-After": "0"}
        server.behaviours += [refuses(503, headers=zero), refuses(429, headers=zero)]
        told = await ask(big)
        assert (told.text, told.error) == ("Once upon a time.", "")
        assert len(server.calls) == 3
        assert server.bodies[0] == server.bodies[2], "the same seed, too"


@pytest.mark.parametrize("behaviour", [cuts(), cuts(b": ping\n\n"), refuses(408), sends()])
async def test_a_broken_connection_is_tried_again_after_a_short_while(behaviour: Behaviour):
    async with FakeCompletions() as server, model(server, retries=1) as big:
        server.behaviours.append(behaviour)
        assert (await ask(big)).text == "Once upon a time."
        assert len(server.calls) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 422, 307])
async def test_a_request_that_cannot_succeed_is_not_made_again(status: int):
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(refuses(status))
        assert (await ask(big)).error
        assert len(server.calls) == 1


async def test_a_slow_server_is_not_asked_to_work_twice():
    async with FakeCompletions() as server, model(server, first_token_timeout=0.05) as big:
        server.behaviours.append(hangs())
        assert (await ask(big)).error
        assert len(server.calls) == 1


async def test_retries_end():
    async with FakeCompletions() as server, model(server, retries=1) as big:
        server.otherwise = refuses(503, headers={"Retry-After": "0"})
        assert "failed (503)" in (await ask(big)).error
        assert len(server.calls) == 2


@pytest.mark.parametrize(
    "header",
    ["3600", format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), "9" * 400],
)
async def test_a_server_that_wants_a_long_pause_is_not_waited_for(header: str):
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(refuses(429, headers={"Retry-After": header}))
        told = await ask(big)
        assert told.error.startswith("The server of the model big is busy (429). Try again in ")
        assert len(server.calls) == 1


@pytest.mark.parametrize("header", ["Sun, 06 Nov 1994 08:49:37 GMT", "0"])
async def test_a_pause_that_is_over_is_none(header: str):
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(refuses(503, headers={"Retry-After": header}))
        assert (await ask(big)).text == "Once upon a time."


async def test_the_connection_may_be_compressed_by_nobody():
    async with FakeCompletions() as server, model(server) as big:
        server.behaviours.append(writes("plain"))
        await ask(big)
        assert server.calls[0].request.headers["Accept-Encoding"] == "identity"
