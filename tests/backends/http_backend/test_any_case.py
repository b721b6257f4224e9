from hypothesis import given
from hypothesis import strategies as st

from backends.http_backend.any_case import AnyCase

LETTERS = st.text("abABßẞİıſ ", max_size=12)


@given(LETTERS, st.lists(LETTERS.filter(str.strip), max_size=3), st.data())
def test_a_text_ends_before_a_word_in_whichever_case(
    text: str, words: list[str], data: st.DataObject
):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    watch = AnyCase(words)
    shown = ""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        shown += watch.feed(text[start:end])
        if watch.stopped:
            break
    else:
        shown += watch.flush()
    assert text.startswith(shown)
    assert not any(
        word.lower() in shown.lower() for word in words if len(word.lower()) == len(word)
    )
    assert watch.stopped or shown == text


def test_the_shown_text_keeps_its_own_case():
    watch = AnyCase(["darn"])
    assert watch.feed("Well, DA") + watch.feed("RN it") == "Well, "
    assert watch.stopped
