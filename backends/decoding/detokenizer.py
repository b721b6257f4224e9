"""Turn tokens of a byte-level BPE into text as they come, never splitting a character."""

import codecs
from collections.abc import Callable, Mapping

from tokenizers import Tokenizer

from backends.vocabulary import BackendError


class TokenBytes:
    """The bytes that each token stands for."""

    def __init__(
        self, tokenizer: Tokenizer, bytes_of: Callable[[str], bytes] | None = None
    ) -> None:
        """Read the vocabulary; `bytes_of` is how, where it is no byte-level one.

        Raises `BackendError` where it is neither.
        """
        added = tokenizer.get_added_tokens_decoder()
        bytes_of = bytes_of or _byte_level(byte_alphabet())
        try:
            self._bytes = {
                token_id: bytes_of(token)
                for token, token_id in tokenizer.get_vocab(with_added_tokens=False).items()
                if token_id not in added
            }
        except KeyError as error:
            raise BackendError(
                "The model's tokenizer is not a byte-level BPE: this engine cannot read it."
            ) from error
        # Special tokens, such as the end token, are never shown.
        shown = {i: token.content.encode() for i, token in added.items() if not token.special}
        self._bytes |= shown

    def __getitem__(self, token: int) -> bytes:
        """Return a token's bytes; none for special tokens and ids beyond the vocabulary."""
        return self._bytes.get(token, b"")

    def shown(self, token: int) -> str:
        """Return a token as text; bytes that are no whole character become U+FFFD."""
        return self[token].decode(errors="replace")


class Detokenizer:
    """The text of one stream of tokens.

    Bytes that can never become UTF-8 turn into U+FFFD, as the tokenizers library has it; a
    character that is unfinished where the stream ends is left out.
    """

    def __init__(self, token_bytes: TokenBytes) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        """Return the characters that this token completes."""
        return self._decoder.decode(self._token_bytes[token])

    def peek(self, token: int) -> str:
        """Return what `feed` would, and forget the token."""
        state = self._decoder.getstate()
        piece = self.feed(token)
        self._decoder.setstate(state)
        return piece


def _byte_level(alphabet: Mapping[str, int]) -> Callable[[str], bytes]:
    return lambda token: bytes(alphabet[character] for character in token)


def byte_alphabet() -> dict[str, int]:
    """Return the byte behind each character of a byte-level vocabulary.

    GPT-2 writes printable bytes as themselves and the rest, in order, from U+0100 on (Radford et
    al. 2019, `bytes_to_unicode` in their encoder.py).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in printable)
    moved = {chr(0x100 + offset): byte for offset, byte in enumerate(others)}
    return {chr(byte): byte for byte in printable} | moved
