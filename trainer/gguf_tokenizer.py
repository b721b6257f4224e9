"""Rebuild a GGUF file's tokenizer, a byte-level BPE, in the tokenizers library's format.

What cuts a text into words before BPE is known by a name only: the rules behind the names here are
those of llama.cpp (`llama-vocab.cpp`).
"""

from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from trainer.stored import RefusedError

CONTROL, USER_DEFINED = 3, 4
"""Kinds of tokens that are found in a text before anything else; only the former are not shown."""
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(digits: str) -> pre_tokenizers.PreTokenizer:
    """Cut as GPT-4 does, numbers into groups of as many digits as the regex says."""
    words = pre_tokenizers.Split(Regex(_WORDS % digits), behavior="isolated")
    rest = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([words, rest])


_GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
_SINGLE_DIGITS = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _GPT2])
PRE_TOKENIZERS = {
    "gpt-2": _GPT2,
    "smollm": _SINGLE_DIGITS,
    "llama-bpe": _split("{1,3}"),
    "qwen2": _split(""),
}


def build_tokenizer(metadata: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that a file's `tokenizer.ggml.*` keys describe.

    Raises `RefusedError` where it is no byte-level BPE or its rules are not known.
    """
    if (kind := metadata.get("tokenizer.ggml.model")) != "gpt2":
        raise RefusedError(f"its tokenizer is {kind!r}, not a byte-level BPE ('gpt2')")
    pre = metadata.get("tokenizer.ggml.pre")
    if pre not in PRE_TOKENIZERS:
        known = ", ".join(PRE_TOKENIZERS)
        raise RefusedError(f"its tokenizer cuts words as {pre!r}, not as one of {known}")
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    # Llama 3 takes a word that is a token whole, whatever the merges would make of it.
    numbers = {token: number for number, token in enumerate(tokens)}
    bpe = models.BPE(numbers, merges, ignore_merges=pre == "llama-bpe")
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]
    tokenizer.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, kinds, strict=True):
        if kind == CONTROL:
            tokenizer.add_special_tokens([AddedToken(token, normalized=False)])
        elif kind == USER_DEFINED:
            tokenizer.add_tokens([AddedToken(token, normalized=False)])
    if metadata.get("tokenizer.ggml.add_bos_token"):
        tokenizer.post_processor = _begin_with(tokens, metadata["tokenizer.ggml.bos_token_id"])
    return tokenizer


def _begin_with(tokens: list[str], first: int) -> processors.PostProcessor:
    return processors.TemplateProcessing(
        single=f"{tokens[first]} $A", special_tokens=[(tokens[first], first)]
    )
