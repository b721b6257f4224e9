import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from backends import BackendError
from backends.decoding.detokenizer import Detokenizer, TokenBytes, byte_alphabet
from tests.models import END, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TOKEN_BYTES = TokenBytes(TOKENIZER)
IDS = st.lists(st.integers(0, TOKENIZER.get_vocab_size() - 1), max_size=40)


def pieces(ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(TOKEN_BYTES)
    return [detokenizer.feed(token) for token in ids]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")))
def test_any_text_comes_back_whole_and_no_piece_has_half_a_character(text: str):
    shown = pieces(TOKENIZER.encode(text).ids)
    assert "".join(shown) == text


@given(IDS)
def test_any_tokens_read_as_the_tokenizers_library_reads_them(ids: list[int]):
    shown = "".join(pieces(ids))
    expected = TOKENIZER.decode(ids, skip_special_tokens=True)
    assert expected.startswith(shown)
    assert set(expected[len(shown) :]) <= {"\ufffd"}  # an unfinished character at the very end


def test_the_end_token_and_ids_beyond_the_vocabulary_show_nothing():
    assert pieces([TOKENIZER.token_to_id(END), 10**6]) == ["", ""]


def test_the_alphabet_is_the_one_of_the_tokenizers_library():
    from tokenizers.pre_tokenizers import ByteLevel

    assert set(byte_alphabet()) == set(ByteLevel.alphabet())
    assert sorted(byte_alphabet().values()) == list(range(256))


def test_a_tokenizer_that_is_not_byte_level_is_refused():
    words = Tokenizer(models.WordLevel({"日本": 0}))
    with pytest.raises(BackendError, match="not a byte-level BPE"):
        TokenBytes(words)
