from hypothesis import given
from hypothesis import strategies as st

from backends.stop_strings import StopStrings

LETTERS = st.text(alphabet="ab\n", max_size=30)
STOPS = st.lists(st.text(alphabet="ab\n", min_size=1, max_size=4), max_size=3)


def run(pieces: list[str], stop: list[str]) -> tuple[str, bool]:
    """Feed pieces until a stop; returns what was shown and whether it stopped."""
    watch = StopStrings(stop)
    shown = ""
    for piece in pieces:
        shown += watch.feed(piece)
        if watch.stopped:
            return shown, True
    return shown + watch.flush(), False


def cut(text: str, borders: list[int]) -> list[str]:
    ends = sorted({border % (len(text) + 1) for border in borders} | {len(text)})
    return [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@given(LETTERS, st.text(alphabet="ab\n", min_size=1, max_size=4), st.lists(st.integers(0, 99)))
def test_a_stream_cut_anywhere_shows_what_lies_before_the_stop_string(
    text: str, stop: str, borders: list[int]
):
    assert run(cut(text, borders), [stop]) == (text.split(stop)[0], stop in text)


@given(LETTERS, STOPS, st.lists(st.integers(0, 99)))
def test_with_several_stop_strings_the_borders_between_pieces_change_nothing(
    text: str, stop: list[str], borders: list[int]
):
    assert run(cut(text, borders), stop) == run(list(text), stop)


@given(LETTERS, STOPS)
def test_no_stop_string_is_ever_shown(text: str, stop: list[str]):
    shown, _ = run(list(text), stop)
    assert not any(string in shown for string in stop)


@given(LETTERS, STOPS)
def test_no_more_is_held_back_than_could_still_become_a_stop_string(text: str, stop: list[str]):
    watch, shown = StopStrings(stop), ""
    for position, character in enumerate(text, 1):
        shown += watch.feed(character)
        if watch.stopped:
            break
        held = text[len(shown) : position]
        assert held == "" or any(string.startswith(held) for string in stop)


def test_of_stop_strings_that_end_together_the_longest_counts():
    assert run(["one END"], ["END", " END"]) == ("one", True)
