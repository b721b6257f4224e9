from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import UserError
from tests.models import SENTENCES, tiny_llama
from tests.trainer.gguf_files import write_gguf
from trainer.source import Source, load_source, load_tokenizer

TOKENS = np.random.default_rng(1).integers(0, 371, 40)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint")
    return tiny_llama(path, tie_word_embeddings=False, attention_bias=True)


@pytest.fixture(scope="module")
def file(checkpoint: Path) -> Path:
    return write_gguf(checkpoint, checkpoint / "model.gguf")


def logits(source: Source) -> np.ndarray:
    assert source.reference is not None
    return source.reference(TOKENS)


def test_its_weights_and_sizes_are_those_of_the_checkpoint_it_was_made_of(
    checkpoint: Path, file: Path
):
    made, original = load_source(file), load_source(checkpoint)
    assert set(made.weights) == set(original.weights)
    for name, weight in original.weights.items():
        np.testing.assert_allclose(made.weights[name], weight, rtol=1e-6, err_msg=name)
    assert made.sizes.norm_epsilon == pytest.approx(original.sizes.norm_epsilon)
    same = {"norm_epsilon": original.sizes.norm_epsilon}
    assert made.sizes.model_copy(update=same) == original.sizes
    assert made.end_token == original.end_token
    assert made.licence == "apache-2.0"


def test_its_reference_is_transformers_own_reading_of_the_file(tmp_path: Path):
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    made = load_source(write_gguf(checkpoint, tmp_path / "model.gguf"))
    np.testing.assert_allclose(logits(made), logits(load_source(checkpoint)), atol=1e-4)


def test_quantised_numbers_are_read_as_what_they_stand_for(checkpoint: Path, tmp_path: Path):
    kind = GGMLQuantizationType.Q8_0
    made = load_source(write_gguf(checkpoint, tmp_path / "model.gguf", kind=kind))
    name = "layers.1.mlp.gate_proj.weight"
    exact = load_source(checkpoint).weights[name]
    assert 0 < np.abs(made.weights[name] - exact).max() < np.abs(exact).max() / 127


def test_its_tokenizer_writes_the_same_ids(checkpoint: Path, file: Path):
    made, original = load_tokenizer(file), load_tokenizer(checkpoint)
    for sentence in SENTENCES:
        text = f"{sentence}<|endoftext|>\n\n {sentence}"
        assert made.encode(text).ids == original.encode(text).ids
        assert made.decode(made.encode(sentence).ids) == sentence


def test_factors_of_the_frequencies_slow_the_rotary_positions(checkpoint: Path, tmp_path: Path):
    factors = {"rope_freqs.weight": np.arange(1, 9, dtype=np.float32)}
    made = load_source(write_gguf(checkpoint, tmp_path / "model.gguf", tensors=factors))
    plain = load_source(checkpoint).weights["rotary_emb.inv_freq"]
    np.testing.assert_allclose(made.weights["rotary_emb.inv_freq"], plain / np.arange(1, 9), 1e-6)


def test_what_transformers_overlooks_in_a_file_is_not_held_against_it(
    checkpoint: Path, file: Path, tmp_path: Path
):
    assert load_source(file).reference is None  # it has biases
    factors = {"rope_freqs.weight": np.ones(8, np.float32)}
    plain = tiny_llama(tmp_path / "checkpoint")
    assert load_source(write_gguf(plain, tmp_path / "plain.gguf")).reference
    made = write_gguf(plain, tmp_path / "model.gguf", tensors=factors)
    assert load_source(made).reference is None


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "positions are scaled by 'yarn'"),
        ({"llama.expert_count": 4}, "mixture of experts"),
        ({"llama.attention.sliding_window": 16}, "reaches back 16 tokens only"),
        ({"llama.attention.value_length": 32}, "values are not as wide"),
    ],
)
def test_what_the_graph_does_not_compute_is_refused(
    metadata: dict[str, int | str], sentence: str, checkpoint: Path, tmp_path: Path
):
    file = write_gguf(checkpoint, tmp_path / "model.gguf", metadata=metadata)
    with pytest.raises(UserError, match=sentence):
        load_source(file)


def test_an_unknown_way_to_cut_words_is_refused(checkpoint: Path, tmp_path: Path):
    file = write_gguf(checkpoint, tmp_path / "model.gguf", pre="elvish")
    with pytest.raises(UserError, match="cuts words as 'elvish', not as one of gpt-2, smollm"):
        load_source(file)


HUGE = (2**62).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("offset", "inserted"),
    [(0, b"GGML"), (4, b"\x63\0\0\0"), (8, HUGE), (16, HUGE), (24, HUGE)],
    ids=["magic", "version", "count of tensors", "count of keys", "length of a key"],
)
def test_a_header_that_lies_is_refused_with_a_sentence(
    offset: int, inserted: bytes, file: Path, tmp_path: Path
):
    whole = file.read_bytes()
    broken = tmp_path / "model.gguf"
    broken.write_bytes(whole[:offset] + inserted + whole[offset + len(inserted) :])
    with pytest.raises(UserError, match="it cannot be read as GGUF"):
        load_source(broken)


def test_a_list_said_to_be_huge_is_refused_with_a_sentence(file: Path, tmp_path: Path):
    whole = file.read_bytes()
    at = whole.index(b"tokenizer.ggml.token_type") + len(b"tokenizer.ggml.token_type") + 8
    broken = tmp_path / "model.gguf"
    broken.write_bytes(whole[:at] + HUGE + whole[at + 8 :])
    with pytest.raises(UserError, match="it cannot be read as GGUF"):
        load_source(broken)


@given(st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_a_file_cut_short_anywhere_is_refused_with_a_sentence(file: Path, share: float):
    whole = file.read_bytes()
    broken = file.with_name("cut.gguf")
    broken.write_bytes(whole[: int(share * (len(whole) - 1))])
    with pytest.raises(UserError, match=r"The checkpoint .* cannot be exported: "):
        load_source(broken)
