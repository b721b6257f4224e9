from pathlib import Path

import numpy as np
import pytest

from backends.onnx_engine.decoder import Decoder
from tests.models import tiny_checkpoint, tiny_llama
from trainer import checked_graphs
from trainer.checked_graphs import build_checked
from trainer.graph import build_graph, save_graph
from trainer.nodes import Weights
from trainer.peaks import Peaks, observe
from trainer.source import Source, load_source

TOKENS = np.random.default_rng(0).integers(0, 371, 300)


@pytest.fixture(params=[tiny_checkpoint, tiny_llama])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return load_source(request.param(tmp_path / "checkpoint"))


def open_graph(source: Source, cache_scales: Weights, folder: Path) -> Decoder:
    save_graph(build_graph(source.weights, source.sizes, "fp32", cache_scales), folder / "g.onnx")
    return Decoder(folder / "g.onnx", source.sizes, slots=4, threads=2)


def test_with_a_cache_in_int8_a_quarter_of_the_memory_and_almost_the_same_logits(
    source: Source, tmp_path: Path
):
    exact = open_graph(source, {}, tmp_path)
    small = open_graph(source, observe(source, TOKENS, tmp_path).cache_scales(), tmp_path)
    assert small.cache_bytes * 4 == exact.cache_bytes
    expected = exact.score(TOKENS[:60])
    assert 0 < np.std(small.score(TOKENS[:60]) - expected) < 0.05 * np.std(expected)


def test_with_a_cache_in_int8_a_row_is_the_same_alone_beside_others_copied_and_in_parts(
    source: Source, tmp_path: Path
):
    decoder = open_graph(source, observe(source, TOKENS, tmp_path).cache_scales(), tmp_path)
    lengths = np.array([40, 3, 17, 40])
    for slot, length in enumerate(lengths[:3]):
        decoder.prefill(slot, TOKENS[:length])
    decoder.copy(0, 3, 40)
    first, tokens = np.array([0]), np.full(4, 5)
    alone = decoder.step(tokens[:1], lengths[:1]).logits[first]
    together = decoder.step(tokens, lengths).logits[np.arange(4)]
    np.testing.assert_array_equal(together[[0, 3]], alone[[0, 0]])
    decoder.clear(0)
    decoder.prefill(0, TOKENS[:20])
    decoder.prefill(0, TOKENS[20:40], 20)
    parts = decoder.step(tokens[:1], lengths[:1]).logits[first]
    np.testing.assert_allclose(parts, alone, atol=0.05 * float(np.std(alone)))


def test_every_channel_that_a_product_reads_is_looked_at_in_every_token(
    source: Source, tmp_path: Path
):
    begun, whole = (observe(source, TOKENS[:count], tmp_path).products for count in (21, 41))
    for name, peaks in whole.items():
        assert len(peaks) >= source.sizes.width
        assert (peaks >= begun[name]).all()
        assert (peaks > begun[name]).any()


def test_rotary_keys_have_room_to_turn(tmp_path: Path):
    source = load_source(tiny_llama(tmp_path / "checkpoint"))
    for name, scale in observe(source, TOKENS, tmp_path).cache_scales().items():
        one, other = np.split(scale, 2, axis=-1)
        assert (one == other).all() == name.startswith("key")


def test_a_channel_in_which_nothing_was_seen_has_a_scale_too():
    assert Peaks({}, {"key_0": np.zeros((1, 4), np.float32)}).cache_scales()["key_0"].min() > 0


@pytest.mark.parametrize(("tolerance", "divisor"), [(1.0, 4), (-1.0, 1)])
def test_keys_and_values_are_in_int8_where_that_costs_no_more_than_allowed(
    tolerance: float, divisor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checked_graphs, "CACHE_TOLERANCE", tolerance)
    source = load_source(tiny_checkpoint(tmp_path / "checkpoint"))
    figures = build_checked(source, tmp_path, ["int8"], TOKENS, 1e-3)
    exact, chosen = (
        Decoder(figures.graphs[precision], source.sizes, slots=1, threads=1)
        for precision in ("fp32", "int8")
    )
    assert chosen.cache_bytes * divisor == exact.cache_bytes
