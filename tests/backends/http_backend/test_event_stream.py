import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.http_backend.event_stream import MAX_EVENT, EventStream, EventTooLargeError

LINE_ENDS = ("\n", "\r", "\r\n")


def events(*received: bytes) -> list[str]:
    stream = EventStream()
    return [data for one in received for data in stream.feed(one)]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"data: one\n\ndata: two\n\n", ["one", "two"]),
        (b"data: one\r\n\r\ndata:two\r\rdata: three\n\n", ["one", "two", "three"]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": a comment\n\ndata:  two spaces\n\n", [" two spaces"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"event: error\nid: 1\ndata: x\nretry: 3\ndatum: y\n\n", ["x"]),
        (b"\xef\xbb\xbfdata: after a mark\n\n", ["after a mark"]),
        (b"data: the blank line is missing\n", []),
        ("data: naïve ☕\n\n".encode(), ["naïve ☕"]),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b"\n\n\n", []),
    ],
)
def test_a_stream_is_read_as_the_standard_says(sent: bytes, read: list[str]):
    assert events(sent) == read


PARTS = st.sampled_from([b"data: one", b"data:", b"data", b": ", b"\r", b"\n", b"\xe2\x98\x95"])


@given(st.lists(PARTS).map(b"".join), st.data())
def test_where_the_bytes_were_cut_makes_no_difference(sent: bytes, data: st.DataObject):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)))))
    parts = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert events(*parts) == events(sent)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))))
def test_every_event_that_was_sent_is_read(texts: list[str]):
    for end in LINE_ENDS:
        sent = "".join(f"data: {one}{end}{end}" for one in texts)
        assert events(sent.encode()) == texts


@pytest.mark.parametrize("part", [b"x" * 1024, b"data: " + b"x" * 1000 + b"\n"])
def test_an_event_that_never_ends_is_given_up(part: bytes):
    stream = EventStream()
    for _ in range(MAX_EVENT // len(part)):
        assert list(stream.feed(part)) == []
    with pytest.raises(EventTooLargeError):
        list(stream.feed(part * 2))


def test_many_events_may_be_larger_than_one_may_be():
    sent = b"data: " + b"x" * (MAX_EVENT // 2) + b"\n\n"
    assert len(events(sent * 3)) == 3
