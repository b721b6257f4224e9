from hypothesis import given
from hypothesis import strategies as st

from backends.decoding.copies import CopyWatch
from trainer.originality.copies import hold_against
from trainer.originality.index import build_index

INDEX = build_index(["What would you do if you could fly?", "Aaa, aab aac ab b", "日本語の文"])


def test_a_run_may_be_as_long_as_the_limit_and_no_longer():
    watch = CopyWatch(INDEX, 3, "")
    assert not watch.refuses("What would you")
    assert watch.refuses("What would you do")
    watch.feed("What would you")
    assert watch.refuses(" do")
    assert not watch.refuses(" say")
    assert not watch.refuses(" ")


def test_a_word_is_refused_as_soon_as_it_begins_like_the_copied_one():
    watch = CopyWatch(INDEX, 3, "What would you ")
    assert watch.refuses("d")
    assert not watch.refuses("e")


def test_a_word_that_begins_otherwise_may_go_on_as_it_likes():
    watch = CopyWatch(INDEX, 2, "you d")
    assert not watch.refuses("o")
    watch = CopyWatch(INDEX, 3, "What would you s")
    assert not watch.refuses("o do if")


def test_a_copied_run_in_the_prompt_stands_but_does_not_go_on():
    watch = CopyWatch(INDEX, 3, "What would you do if you")
    assert watch.refuses(" could")
    assert not watch.refuses(" can")
    assert not watch.refuses("?")
    assert not watch.refuses("th")


def test_a_word_may_come_in_pieces_and_case_and_signs_hide_no_copy():
    watch = CopyWatch(INDEX, 3, "")
    for piece in ("WH", "at", ": ", "woul", "d", "… ", "yo", "u"):
        assert not watch.refuses(piece)
        watch.feed(piece)
    assert watch.refuses(" D")


@given(
    st.integers(1, 4),
    st.lists(st.sampled_from([*"ab dfiouwy日本", "What ", "would", " you", " do", " if", "aab "])),
    st.sampled_from(["", "Aaa", "What w"]),
)
def test_no_text_ever_has_a_longer_copied_run_than_allowed(
    limit: int, pieces: list[str], prompt: str
):
    watch = CopyWatch(INDEX, limit, prompt)
    text = prompt
    for piece in pieces:
        if not watch.refuses(piece):
            watch.feed(piece)
            text += piece
    assert hold_against(INDEX, text).longest <= limit


@given(st.text("bcdx ", max_size=30))
def test_a_text_that_shares_no_run_is_never_refused(text: str):
    watch = CopyWatch(INDEX, 1, "")
    for piece in text:
        assert not watch.refuses(piece)
        watch.feed(piece)
