from hypothesis import given
from hypothesis import strategies as st

from backends import Chunk, Prompt, Sampling, Usage
from backends.http_backend.events import Choice, Counts, Event, Logprobs
from backends.http_backend.text import Text


def piece(text: str, reason: str | None = None, logprobs: Logprobs | None = None) -> Event:
    return Event(choices=[Choice(text=text, finish_reason=reason, logprobs=logprobs)])


def read(events: list[Event], **sampling: object) -> tuple[Text, list[Chunk]]:
    """Feed a text until it ends, as the writer does."""
    text = Text(Prompt("", Sampling(**sampling)), 2, seed=9)  # pyright: ignore[reportArgumentType] # the test's own values
    chunks: list[Chunk] = []
    for event in events:
        chunks += [chunk] if (chunk := text.feed(event)) else []
        if text.cut:
            break
    return text, [*chunks, text.last(text.finish_reason or "stop")]


def joined(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_events_become_chunks_and_the_last_tells_reason_count_and_seed():
    count = Event(usage=Counts(prompt_tokens=3, completion_tokens=5))
    text, chunks = read([piece("Once"), piece(" upon"), piece("", "length"), count])
    assert chunks == [
        Chunk("Once", 2),
        Chunk(" upon", 2),
        Chunk("", 2, "length", Usage(3, 5), seed=9),
    ]
    assert text.begun


def test_reasons_of_other_servers_mean_that_it_stopped():
    assert read([piece("a", "eos_token")])[1][-1].finish_reason == "stop"


def test_without_the_servers_count_pieces_are_counted():
    assert read([piece("a"), piece(""), piece("b", "stop")])[1][-1].usage == Usage(0, 2)


@given(st.lists(st.text("aSTOP.", max_size=4)), st.booleans())
def test_a_stop_string_ends_the_text_though_the_server_goes_on(pieces: list[str], ends: bool):
    events = [piece(one) for one in pieces] + [piece("", "length")] * ends
    text, chunks = read(events, stop=("STOP",))
    whole = "".join(pieces)
    assert joined(chunks) == whole.split("STOP")[0]
    assert text.cut == ("STOP" in whole)


@given(st.lists(st.text("aDdARrN!", max_size=4)))
def test_a_banned_word_never_comes_though_the_server_writes_it(pieces: list[str]):
    _, chunks = read([piece(one) for one in pieces], bad_words=("darn",), stop=("!!",))
    assert "darn" not in joined(chunks).lower()
    assert "!!" not in joined(chunks)
    whole = "".join(pieces)
    if "darn" not in whole.lower():
        assert joined(chunks) == whole.split("!!")[0]


def test_a_server_that_does_not_keep_to_max_tokens_is_stopped():
    text, chunks = read([piece("a")] * 100, max_tokens=3)
    assert chunks[-1].finish_reason == "length"
    assert text.cut
    assert len(joined(chunks)) <= 4


def test_logprobs_wait_for_the_chunk_that_shows_their_token():
    def of(token: str) -> Logprobs:
        return Logprobs(tokens=[token], token_logprobs=[-1])

    events = [piece("a", None, of("a")), piece("S", None, of("S")), piece("b", "stop", of("b"))]
    _, chunks = read(events, logprobs=0, stop=("ST",))
    assert [[one.token for one in chunk.logprobs] for chunk in chunks] == [["a"], ["S", "b"], []]
    _, unasked = read(events)
    assert not any(chunk.logprobs for chunk in unasked)


def test_halves_of_characters_that_no_output_can_hold_are_replaced():
    _, chunks = read([piece("\ud83d"), piece("ok\ud83d\ude00")])
    assert joined(chunks) == "\ufffdok😀"
