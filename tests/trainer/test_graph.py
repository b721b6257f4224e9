from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.onnx_engine.decoder import Decoder
from tests.models import tiny_checkpoint
from trainer.arithmetic import quantise
from trainer.graph import build_graph, save_graph
from trainer.source import Source, load_source


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return load_source(tiny_checkpoint(tmp_path_factory.mktemp("checkpoint")))


def decoder_of(source: Source, path: Path, precision: str, **more: int) -> Decoder:
    assert precision in ("fp32", "int8")
    path.parent.mkdir(exist_ok=True)
    save_graph(build_graph(source.weights, source.sizes, precision), path, **more)
    return Decoder(path, source.sizes, slots=1, threads=1)


def test_int8_logits_are_close_to_those_of_fp32(source: Source, tmp_path: Path):
    tokens = np.arange(40)
    exact = decoder_of(source, tmp_path / "fp32.onnx", "fp32").score(tokens)
    rounded = decoder_of(source, tmp_path / "int8.onnx", "int8").score(tokens)
    assert 0 < np.std(rounded - exact) < 0.05 * np.std(exact)


def test_int8_stores_the_table_of_tokens_once(source: Source):
    graph = build_graph(source.weights, source.sizes, "int8").graph
    whole = source.sizes.vocabulary * source.sizes.width
    sizes = Counter(int(np.prod(tensor.dims)) for tensor in graph.initializer)
    assert sizes[whole] == 1


def test_int8_takes_little_more_than_a_byte_a_parameter(source: Source, tmp_path: Path):
    decoder_of(source, tmp_path / "int8.onnx", "int8")
    decoder_of(source, tmp_path / "fp32.onnx", "fp32")
    # The graph's own structure and the scales weigh much in so tiny a model.
    small, large = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("int8", "fp32")]
    assert small < source.sizes.parameters * 2 < large


def test_large_weights_go_into_a_file_beside_the_graph(source: Source, tmp_path: Path):
    inside = decoder_of(source, tmp_path / "one" / "model.onnx", "fp32")
    outside = decoder_of(source, tmp_path / "two" / "model.onnx", "fp32", external_above=1000)
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files == {"model.onnx", "model.onnx.data"}
    tokens = np.arange(9)
    np.testing.assert_array_equal(outside.score(tokens), inside.score(tokens))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_graph_is_valid_onnx(source: Source, precision: str):
    assert precision in ("fp32", "int8")
    model = build_graph(source.weights, source.sizes, precision)
    onnx.checker.check_model(model)


MATRICES = st.builds(
    lambda seed, rows, columns, size: np.random.default_rng(seed)
    .normal(0, size, (rows, columns))
    .astype(np.float32),
    st.integers(0, 1000),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0, 1e-6, 1, 1e4]),
)


@given(MATRICES, st.sampled_from([0, 1]))
def test_rounding_moves_a_weight_by_at_most_half_a_step(weight: np.ndarray, axis: int):
    rounded, scale = quantise(weight, axis)
    restored = rounded * np.expand_dims(scale, axis)
    assert (np.abs(restored - weight) <= np.expand_dims(scale, axis) * 0.501).all()
    assert rounded.dtype == np.int8
    assert np.abs(rounded.astype(int)).max() <= 127
