from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from backends.onnx_engine.decoder import Decoder
from tests.models import tiny_llama
from trainer import sampling_graph
from trainer.checked_graphs import check_parity
from trainer.graph import build_graph, save_graph
from trainer.source import Source, load_source

TOKENS = np.random.default_rng(1).integers(0, 371, 50)

KINDS: dict[str, dict[str, Any]] = {
    "grouped heads": {},
    "an output head of its own": {"tie_word_embeddings": False},
    "one head of keys": {"num_key_value_heads": 1},
    "as many heads of keys as of queries": {"num_key_value_heads": 4},
    "heads wider than their share": {"head_dim": 32},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "linear scaling": {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "Llama 3's scaling": {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    },
}


def decoder_of(source: Source, folder: Path, precision: str) -> Decoder:
    assert precision in ("fp32", "int8")
    save_graph(build_graph(source.weights, source.sizes, precision), folder / f"{precision}.onnx")
    return Decoder(folder / f"{precision}.onnx", source.sizes, slots=3, threads=1)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_match_pytorchs_read_at_once_in_chunks_and_beside_a_neighbour(
    kind: str, tmp_path: Path
):
    source = load_source(tiny_llama(tmp_path, **KINDS[kind]))
    assert source.reference is not None
    decoder = decoder_of(source, tmp_path, "fp32")
    assert max(check_parity(decoder, source.reference, 1e-3).values()) < 1e-3
    expected = source.reference(TOKENS)
    decoder.prefill(2, TOKENS[:20])
    middle = decoder.score(TOKENS[20:33], slot=2, start=20)
    np.testing.assert_allclose(middle, expected[20:33], atol=1e-3)
    last = decoder.score(TOKENS[33:], slot=2, start=33)
    np.testing.assert_allclose(last, expected[33:], atol=1e-3)


def test_int8_logits_are_close_to_those_of_fp32(tmp_path: Path):
    source = load_source(tiny_llama(tmp_path))
    exact = decoder_of(source, tmp_path, "fp32").score(TOKENS)
    rounded = decoder_of(source, tmp_path, "int8").score(TOKENS)
    assert 0 < np.std(rounded - exact) < 0.1 * np.std(exact)


def test_its_inputs_and_outputs_are_those_of_gpt2s_graph(tmp_path: Path):
    source = load_source(tiny_llama(tmp_path))
    graph = build_graph(source.weights, source.sizes, "fp32").graph
    cache = [f"{what}_{layer}" for layer in range(2) for what in ("key", "value")]
    first = ("input_ids", "position_ids", "seqlens_k", "total_sequence_length", "logit_rows")
    sampling = [one.name for one in sampling_graph.inputs()]
    past = [f"past_{name}" for name in cache]
    assert [one.name for one in graph.input] == [*first, *sampling, *past]
    results = [one.name for one in sampling_graph.outputs(source.sizes.vocabulary)]
    assert [one.name for one in graph.output] == [*results, *(f"present_{name}" for name in cache)]
    shape = next(one for one in graph.input if one.name == past[0]).type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in shape] == ["B", 2, "C", 16]


def test_its_tables_are_stored_once_where_the_head_is_tied(tmp_path: Path):
    source = load_source(tiny_llama(tmp_path))
    stored: list[onnx.TensorProto] = list(
        build_graph(source.weights, source.sizes, "fp32").graph.initializer
    )
    assert [one.name for one in stored if list(one.dims) == [371, 64]] == ["embed_tokens"]
