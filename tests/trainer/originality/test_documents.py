import numpy as np

from tests.models import END, tiny_tokenizer
from trainer.originality.documents import Documents, pieces

TEXTS = ["What would you do?", "naïve café ☕", "Why?"]


def encoded(texts: list[str]) -> tuple[np.ndarray, int]:
    tokenizer = tiny_tokenizer()
    end = tokenizer.token_to_id(END)
    ids = [end]
    for text in texts:
        ids += [*tokenizer.encode(text).ids, end]
    return np.array(ids, np.uint16), end


def documents(texts: list[str], **more: int) -> Documents:
    tokens, end = encoded(texts)
    return Documents(tokens, tiny_tokenizer(), end, **more)


def test_the_texts_come_back_as_they_were():
    assert list(documents(TEXTS)) == TEXTS
    assert documents(TEXTS)[1] == TEXTS[1]


def test_empty_texts_and_an_empty_array_are_no_texts():
    assert list(documents(["", *TEXTS, ""])) == TEXTS
    assert list(documents([])) == []


def test_a_long_text_is_cut_to_pieces_and_nothing_is_lost():
    pieces = list(documents(TEXTS, longest=2))
    assert len(pieces) > len(TEXTS)
    assert "".join(pieces) == "".join(TEXTS)


def test_of_a_large_data_set_whole_texts_from_everywhere_are_taken():
    texts = [f"{number:04}" for number in range(10_000)]
    sample = documents(texts, most_tokens=5_000)
    assert sample.step == 11
    taken = list(sample)
    assert set(taken) < set(texts)
    assert 500 < len(taken) == len(set(taken)) < 1_000
    assert taken == sorted(taken)
    assert taken[0] < "0010"
    assert taken[-1] > "9800"


def test_of_a_long_text_pieces_from_everywhere_are_taken():
    sample = documents(["What would you do? " * 5_000], most_tokens=5_000)
    assert 64 <= len(sample) < 100
    assert set("".join(sample).split()) >= {"What", "would", "you", "do?"}


def test_of_many_pieces_a_few_are_spread_over_all():
    texts = [f"{number}" for number in range(100)]
    assert pieces(texts, 5, 3) == ["0", "50", "99"]
    assert pieces(texts[:2], 5, 3) == ["0", "1"]
    assert pieces(["", "?!"], 5, 3) == []


def test_a_longer_text_gives_its_whole_pieces():
    assert pieces(["One, two. Three; four! Five?", "Six."], 2, 9) == [
        "One, two",
        "Three; four",
        "Six.",
    ]
