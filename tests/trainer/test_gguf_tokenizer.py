from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from trainer.gguf_tokenizer import PRE_TOKENIZERS, build_tokenizer
from trainer.stored import RefusedError

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
TOKENS = ["<end>", "<mark>", *ALPHABET, "Ġa", "12", "123"]


def metadata(**changes: Any) -> dict[str, Any]:
    kinds = [3, 4, *(1 for _ in TOKENS[2:])]
    keys = {"model": "gpt2", "pre": "gpt-2", "tokens": TOKENS, "token_type": kinds}
    merges = {"merges": ["Ġ a", "1 2", "12 3"], "bos_token_id": 0}
    return {f"tokenizer.ggml.{key}": value for key, value in (keys | merges | changes).items()}


def words(text: str, **changes: Any) -> list[str]:
    return build_tokenizer(metadata(**changes)).encode(text).tokens


@pytest.mark.parametrize(
    ("pre", "expected"),
    [
        ("gpt-2", ["Ġa", "123", "4"]),
        ("smollm", ["Ġa", "1", "2", "3", "4"]),
        ("llama-bpe", ["Ġa", "123", "4"]),
        ("qwen2", ["Ġa", "1", "2", "3", "4"]),
    ],
)
def test_numbers_are_cut_as_the_name_of_the_rules_says(pre: str, expected: list[str]):
    assert words(" a1234", pre=pre) == expected


def test_markers_are_found_in_a_text_and_only_special_ones_are_hidden():
    tokenizer = build_tokenizer(metadata())
    ids = tokenizer.encode("a<end><mark>a").ids
    assert ids[1:3] == [0, 1]
    assert tokenizer.decode(ids) == "a<mark>a"


def test_a_text_begins_with_the_token_that_the_file_wants_there():
    assert words("a", add_bos_token=True) == ["<end>", "a"]
    assert words("a", add_bos_token=False) == ["a"]


@pytest.mark.parametrize("change", [{"model": "llama"}, {"pre": "elvish"}, {"pre": None}])
def test_another_kind_of_tokenizer_is_refused(change: dict[str, Any]):
    with pytest.raises(RefusedError, match="its tokenizer"):
        build_tokenizer(metadata(**change))


@given(st.sampled_from(sorted(PRE_TOKENIZERS)), st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_from_its_tokens(pre: str, text: str):
    tokenizer = build_tokenizer(metadata(pre=pre))
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
