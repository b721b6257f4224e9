from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backends import BackendError
from backends.decoding.draws import no_wishes
from backends.model_directory import GRAPH, read_card
from backends.onnx_engine.decoder import Decoder
from tests.models import tiny_model_directory

FIRST = np.array([0])


@pytest.fixture(scope="module")
def int8_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model_directory(tmp_path_factory.mktemp("models") / "int8", precision="int8")


@pytest.fixture(params=["fp32", "int8"])
def decoder(request: pytest.FixtureRequest, tiny_model: Path, int8_model: Path) -> Decoder:
    return open_decoder(tiny_model if request.param == "fp32" else int8_model)


def open_decoder(model: Path, slots: int = 9, threads: int = 1) -> Decoder:
    return Decoder(model / GRAPH, read_card(model).architecture, slots, threads)


def random_prompts(decoder: Decoder, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, decoder.sizes.context - 1, decoder.slots)
    return [random.integers(0, decoder.sizes.vocabulary, length) for length in lengths]


def test_a_rows_logits_do_not_depend_on_its_neighbours_to_the_last_bit(decoder: Decoder):
    prompts = random_prompts(decoder)
    lengths = np.array([len(prompt) for prompt in prompts])
    for slot, prompt in enumerate(prompts):
        decoder.prefill(slot, prompt)
    tokens = np.arange(decoder.slots)
    alone = decoder.step(tokens[:1], lengths[:1]).logits[FIRST]
    for width in range(2, decoder.slots + 1):
        together = decoder.step(tokens[:width], lengths[:width]).logits[FIRST]
        np.testing.assert_array_equal(together, alone)


def test_a_rows_logits_are_the_same_with_more_threads_than_heads(tmp_path: Path):
    # Wide and long enough for ONNX Runtime to find that dividing the attention pays.
    model = tiny_model_directory(tmp_path / "wide", width=128, context=600)
    decoder = open_decoder(model, slots=8, threads=7)
    prompt = np.arange(decoder.sizes.context - 1) % decoder.sizes.vocabulary
    for slot in range(decoder.slots):
        decoder.prefill(slot, prompt)
    lengths = np.full(decoder.slots, len(prompt))
    alone = decoder.step(FIRST, lengths[:1]).logits[FIRST]
    together = decoder.step(np.zeros(decoder.slots, np.int64), lengths).logits[FIRST]
    np.testing.assert_array_equal(together, alone)


def test_any_slot_gives_the_same_logits(decoder: Decoder):
    prompt = random_prompts(decoder)[0]
    first = decoder.score(prompt)
    np.testing.assert_array_equal(decoder.score(prompt, slot=decoder.slots - 1), first)


def test_a_copied_slot_goes_on_like_the_one_it_came_from(decoder: Decoder):
    prompt = random_prompts(decoder)[0]
    decoder.prefill(0, prompt)
    decoder.copy(0, 1, len(prompt))
    tokens, lengths = np.array([5, 5]), np.array([len(prompt)] * 2)
    logits = decoder.step(tokens, lengths).logits[np.arange(2)]
    np.testing.assert_array_equal(logits[0], logits[1])


def test_what_a_slot_held_before_changes_nothing(decoder: Decoder):
    prompt = random_prompts(decoder)[0][:5]
    decoder.clear(0)
    fresh = decoder.score(prompt)
    decoder.prefill(0, np.arange(decoder.sizes.context))
    np.testing.assert_array_equal(decoder.score(prompt), fresh)


def test_a_prompt_read_in_two_parts_gives_the_logits_of_the_whole(decoder: Decoder):
    prompt = np.arange(20)
    whole = decoder.score(prompt)
    decoder.prefill(1, prompt[:12])
    rest = decoder.score(prompt[12:], slot=1, start=12)
    np.testing.assert_allclose(rest, whole[12:], atol=1e-4)


def test_what_a_step_wishes_for_changes_its_logits_only(decoder: Decoder):
    tokens, lengths = np.zeros(1, np.int64), np.zeros(1, np.int64)
    plain = decoder.step(tokens, lengths).logits[FIRST]
    biased = replace(no_wishes(1), places=np.array([[7]]), biases=np.array([[3]], np.float32))
    mended = decoder.step(tokens, lengths, biased)
    np.testing.assert_allclose((mended.logits[FIRST] - plain)[0].nonzero(), [[7]])
    assert mended.plain[0, 0] == plain[0, 7]
    np.testing.assert_array_equal(decoder.step(tokens, lengths).logits[FIRST], plain)
    assert biased.biases.tolist() == [[3]]


def test_the_cache_memory_is_stated(tiny_model: Path):
    sizes = read_card(tiny_model).architecture
    per_slot = sizes.layers * 2 * sizes.context * sizes.width * 4
    assert open_decoder(tiny_model, slots=3).cache_bytes == 3 * per_slot


def test_a_graph_that_disagrees_with_its_card_is_refused(tiny_model: Path):
    sizes = read_card(tiny_model).architecture
    for wrong in ({"layers": 3}, {"cached_heads": 4}, {"vocabulary": 7}):
        with pytest.raises(BackendError, match="graph does not fit its card"):
            Decoder(tiny_model / GRAPH, sizes.model_copy(update=wrong), slots=1, threads=1)


def test_a_file_that_is_no_graph_is_refused(tiny_model: Path, tmp_path: Path):
    (tmp_path / GRAPH).write_bytes((tiny_model / GRAPH).read_bytes()[:1000])
    with pytest.raises(BackendError, match="cannot load the model"):
        Decoder(tmp_path / GRAPH, read_card(tiny_model).architecture, slots=1, threads=1)
