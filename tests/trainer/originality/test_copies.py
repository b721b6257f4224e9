from backends.word_index import WordIndex
from trainer.originality.copies import hold_against, source_of
from trainer.originality.index import build_index

TEXTS = [
    "What would you do if you could fly to the moon?",
    "Why?",
    "?!",
    "It is a truth universally acknowledged " * 9 + "that a single man must be in want of a wife "
    + "and so on and on " * 9,
]  # fmt: skip


def index() -> WordIndex:
    return build_index(TEXTS)


def test_the_longest_copied_run_is_found_with_its_place_in_the_text():
    copied = hold_against(index(), "And what WOULD you do, if told you to fly?")
    assert (copied.longest, copied.words) == (5, 10)
    assert copied.run == "what WOULD you do, if"
    assert copied.share == 0.5
    assert copied.runs == (1, 5, 4, 3, 2, 1, 0, 1, 1, 1)


def test_only_a_whole_training_text_is_an_exact_copy():
    assert hold_against(index(), "why").exact
    assert hold_against(index(), "What would you do if you could fly to the moon").exact
    assert not hold_against(index(), "What would you do if you could fly?").exact
    assert not hold_against(index(), "Why would you").exact


def test_one_word_changed_inside_makes_a_near_copy():
    copied = hold_against(index(), "What would you do if WE could fly to the moon?")
    assert copied.near
    assert not copied.exact
    assert not hold_against(index(), "What would you say to a man on the moon?").near


def test_the_source_is_the_training_text_and_of_a_long_one_what_is_near():
    def source(text: str) -> str:
        return source_of(index(), TEXTS.__getitem__, hold_against(index(), text))

    assert source("if you could fly") == TEXTS[0]
    assert source("Why") == "Why?"
    shown = source("a single man must be")
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert "that a single man must be in want of a wife" in shown
    assert len(shown) < len(TEXTS[3]) / 2


def test_a_text_without_words_copies_nothing():
    copied = hold_against(index(), "…!")
    assert (copied.longest, copied.share, copied.near, copied.exact) == (0, 0.0, False, False)
    assert copied.run == ""


def test_what_only_the_border_of_two_texts_holds_is_not_copied():
    assert hold_against(index(), "the moon why").longest == 2
