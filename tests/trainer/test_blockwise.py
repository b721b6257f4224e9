from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.model_directory import Precision
from backends.onnx_engine.decoder import Decoder
from tests.models import tiny_checkpoint
from trainer.blockwise import BLOCK, quantise_blocks
from trainer.graph import build_graph, save_graph
from trainer.source import Source, load_source

WIDTHS = (128, 80)
"""Full blocks, and one that is not."""


@pytest.fixture(scope="module", params=WIDTHS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Source:
    return load_source(tiny_checkpoint(tmp_path_factory.mktemp("made"), width=request.param))


def open_graph(source: Source, precision: Precision, folder: Path) -> Decoder:
    path = folder / f"{precision}.onnx"
    save_graph(build_graph(source.weights, source.sizes, precision), path)
    return Decoder(path, source.sizes, slots=8, threads=2)


@pytest.mark.parametrize("precision", ["int8", "int8-block", "int4"])
def test_a_rows_logits_are_the_same_alone_and_beside_neighbours(
    precision: Precision, source: Source, tmp_path: Path
):
    decoder = open_graph(source, precision, tmp_path)
    random = np.random.default_rng(0)
    lengths = random.integers(1, 40, 8)
    for slot, length in enumerate(lengths):
        decoder.prefill(slot, random.integers(0, source.sizes.vocabulary, length))
    tokens = random.integers(0, source.sizes.vocabulary, 8)
    first = np.array([0])
    alone = decoder.step(tokens[:1], lengths[:1]).logits[first]
    for neighbours in range(2, 9):
        together = decoder.step(tokens[:neighbours], lengths[:neighbours]).logits[first]
        np.testing.assert_array_equal(together, alone)


def test_8_bits_stay_near_fp32_also_where_the_last_block_is_not_full_and_4_bits_less_so(
    source: Source, tmp_path: Path
):
    tokens = np.arange(40)
    exact = open_graph(source, "fp32", tmp_path).score(tokens)
    errors = {
        precision: float(np.std(open_graph(source, precision, tmp_path).score(tokens) - exact))
        for precision in ("int8-block", "int4")
    }
    assert 0 < errors["int8-block"] < 0.3 * errors["int4"]
    assert errors["int4"] < np.std(exact)


MATRICES = st.builds(
    lambda seed, rows, columns, size: np.random.default_rng(seed)
    .normal(0, size, (rows, columns))
    .astype(np.float32),
    st.integers(0, 1000),
    st.integers(1, 4),
    st.integers(1, 160),
    st.sampled_from([0, 1e-6, 1, 1e4]),
)


@given(MATRICES, st.sampled_from([4, 8]))
def test_rounding_moves_a_weight_by_at_most_a_step_of_its_block(weight: np.ndarray, bits: int):
    numbers, scale = quantise_blocks(weight, bits)
    if bits == 4:
        numbers = np.stack([numbers & 15, numbers >> 4], axis=-1).reshape(*scale.shape, BLOCK[4])
    restored = (numbers.astype(np.float32) - 2 ** (bits - 1)) * scale[..., None]
    moved = np.abs(restored.reshape(len(weight), -1)[:, : weight.shape[1]] - weight)
    # The largest magnitude's opposite has no number of its own: there it is a whole step.
    steps = np.repeat(np.abs(scale), BLOCK[bits], axis=1)[:, : weight.shape[1]]
    assert (moved <= steps * 1.001).all()
