"""Any tokenizer of the tokenizers library: text to tokens, tokens to bytes."""

import re
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from backends.decoding.detokenizer import TokenBytes
from backends.vocabulary import BackendError

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How SentencePiece writes a byte that is no part of another token."""


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the tokenizer beside a model. Raises `BackendError` where there is none."""
    try:
        if (folder / "tokenizer.json").is_file():
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        else:
            tokenizer = _converted(folder)
    # The tokenizers library raises Exception itself; where files are missing, transformers raises
    # a TypeError that tells nothing.
    except Exception as error:
        why = "" if isinstance(error, TypeError) else f" ({_first_line(error)})"
        raise BackendError(
            f"The tokenizer in {folder} is missing or cannot be read{why}: "
            "save it there as tokenizer.json."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_bytes(tokenizer: Tokenizer) -> TokenBytes:
    """Return the bytes that each token stands for, wherever it stands."""
    decode = tokenizer.decoder.decode if tokenizer.decoder else " ".join
    if decode(["aĠ"]) == "a ":  # a byte-level BPE
        return TokenBytes(tokenizer)
    return TokenBytes(tokenizer, _between_others(decode))


def _between_others(decode: Callable[[list[str]], str]) -> Callable[[str], bytes]:
    """Return how to find what a token adds to a text: decoders treat a text's ends differently."""
    tail = decode(["a", "a"])[1:]
    knows_bytes = decode(["a", "<0x41>"]) == "aA"

    def bytes_of(token: str) -> bytes:
        if knows_bytes and (byte := _BYTE.fullmatch(token)):
            return bytes.fromhex(byte[1])
        whole = decode(["a", token, "a"])
        return whole[1 : len(whole) - len(tail)].encode()

    return bytes_of


def _converted(folder: Path) -> Tokenizer:
    """Return a tokenizer that is stored in another form, such as vocab.json and merges.txt."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        folder, use_fast=True, local_files_only=True, trust_remote_code=False
    )
    return tokenizer.backend_tokenizer


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
