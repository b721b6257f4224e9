from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from backends import BackendError
from backends.hugging_face.tokens import load_tokenizer, token_bytes
from tests.backends.hugging_face.checkpoints import UNKNOWN, sentencepiece_tokenizer
from tests.models import SENTENCES, tiny_tokenizer


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return _trained(tokenizer, trainers.WordPieceTrainer(vocab_size=200, show_progress=False))


def word_ends() -> Tokenizer:
    """As OpenAI's first GPT has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=200, end_of_word_suffix="</w>", initial_alphabet=[*"é☕"], show_progress=False
    )
    return _trained(tokenizer, trainer)


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, unk_token=UNKNOWN, special_tokens=[UNKNOWN], show_progress=False
    )
    return _trained(tokenizer, trainer)


def words() -> Tokenizer:
    """Without a decoder: the tokenizers library puts spaces between tokens then."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _trained(tokenizer, trainers.WordLevelTrainer(special_tokens=[UNKNOWN]))


def _trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> Tokenizer:
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "byte-level": tiny_tokenizer,
    "sentencepiece": sentencepiece_tokenizer,
    "wordpiece": wordpiece,
    "word-ends": word_ends,
    "unigram": unigram,
    "words": words,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_of_tokens_joined_are_the_text_that_the_tokenizer_decodes(kind: str):
    tokenizer = KINDS[kind]()
    known = token_bytes(tokenizer)
    # A byte that is no character turns its whole neighbourhood into U+FFFD in that library.
    tokens = [i for token, i in tokenizer.get_vocab().items() if not token.startswith("<0x")]
    [first, *_] = tokenizer.encode("The bot", add_special_tokens=False).ids

    @given(st.lists(st.sampled_from(tokens)))
    @settings(deadline=None, max_examples=200)
    def holds(ids: list[int]) -> None:
        ids = [first, *ids]
        joined = b"".join(known[i] for i in ids).decode(errors="replace")
        # Only the ends of a text can differ: there decoders drop a space.
        assert joined.strip(" ") == tokenizer.decode(ids).strip(" ")

    holds()


@pytest.mark.parametrize("kind", ["byte-level", "sentencepiece"])
def test_a_tokenizer_that_knows_bytes_gives_any_text_back(kind: str):
    tokenizer = KINDS[kind]()
    known = token_bytes(tokenizer)

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    @settings(deadline=None, max_examples=200)
    def holds(text: str) -> None:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        prefix = " " if kind == "sentencepiece" else ""
        assert b"".join(known[i] for i in ids).decode() == prefix + text

    holds()


def test_special_tokens_are_never_shown():
    tokenizer = sentencepiece_tokenizer()
    known = token_bytes(tokenizer)
    assert [known[i] for i in range(3)] == [b"", b"", b""]


def test_a_tokenizer_in_another_form_is_converted(gpt2: Path, tmp_path: Path):
    (tmp_path / "config.json").write_bytes((gpt2 / "config.json").read_bytes())
    tiny_tokenizer().model.save(str(tmp_path))
    sentence = "How do you make ☕?"
    ids = load_tokenizer(tmp_path).encode(sentence).ids
    assert ids
    assert ids == tiny_tokenizer().encode(sentence).ids


@pytest.mark.parametrize("content", [None, "{}", "nonsense"])
def test_a_missing_or_broken_tokenizer_is_a_sentence(
    content: str | None, gpt2: Path, tmp_path: Path
):
    (tmp_path / "config.json").write_bytes((gpt2 / "config.json").read_bytes())
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    why = "" if content is None else r" \(.+\)"
    with pytest.raises(BackendError, match=f"tokenizer in .* cannot be read{why}: save it"):
        load_tokenizer(tmp_path)
