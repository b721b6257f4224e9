from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backends.word_index import open_word_index, words_of
from trainer.originality.index import build_index, write_index

TEXTS = st.lists(st.text("aAbß. é日", max_size=12), max_size=8)


def is_copied(run: list[str], texts: list[str]) -> bool:
    def inside(words: list[str]) -> bool:
        return any(words[i : i + len(run)] == run for i in range(len(words)))

    return any(inside(words_of(text)) for text in texts)


@given(TEXTS, st.text("aAbß. é日", max_size=12))
def test_the_longest_copied_beginning_is_found_whatever_the_texts_are(texts: list[str], text: str):
    index, words = build_index(texts), words_of(text)
    index.check()
    lengths = [n for n in range(1, len(words) + 1) if is_copied(words[:n], texts)]
    length, place = index.longest(index.numbers(words))
    assert length == max(lengths, default=0)
    numbers = index.words[place : place + length].tolist()
    assert [index.word(number) for number in numbers] == words[:length]


@given(TEXTS, st.text("abß", min_size=1, max_size=2))
def test_words_that_begin_alike_are_neighbours(texts: list[str], letters: str):
    index = build_index(texts)
    known = {word for text in texts for word in words_of(text)}
    first, behind = index.beginning_with(letters.casefold())
    found = [index.word(number) for number in range(first, behind)]
    assert found == sorted(word for word in known if word.startswith(letters.casefold()))


def test_an_index_is_the_same_when_it_is_read_again(tmp_path: Path):
    index = build_index(["What would you do?", "Why not?"])
    write_index(index, tmp_path)
    again = open_word_index(tmp_path, "ask")
    assert again.words.tolist() == index.words.tolist()
    assert again.longest(again.numbers(["would", "you", "fly"]))[0] == 2
