from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backends.model_directory import Architecture, Precision
from backends.onnx_engine.decoder import Decoder
from tests.models import tiny_checkpoint, tiny_llama
from tests.trainer.outliers import make_source
from trainer.balance import balance
from trainer.graph import build_graph, save_graph
from trainer.nodes import Weights
from trainer.peaks import observe
from trainer.source import load_source

TOKENS = np.random.default_rng(0).integers(0, 371, 300)


def logits(
    weights: Weights, sizes: Architecture, precision: Precision, folder: Path
) -> NDArray[np.float32]:
    save_graph(build_graph(weights, sizes, precision), folder / "graph.onnx")
    return Decoder(folder / "graph.onnx", sizes, slots=1, threads=1).score(TOKENS[:40])


@pytest.mark.parametrize("make", [tiny_checkpoint, tiny_llama])
def test_balanced_weights_compute_the_same_and_are_other_weights(make, tmp_path: Path):
    source = load_source(make(tmp_path / "checkpoint"))
    # Fresh models have biases of 0, trained ones do not.
    for number, (name, tensor) in enumerate(source.weights.items()):
        if name.endswith("bias"):
            tensor[...] = np.random.default_rng(number).normal(0, 0.3, tensor.shape)
    balanced = balance(source, observe(source, TOKENS, tmp_path))
    before = logits(source.weights, source.sizes, "fp32", tmp_path)
    after = logits(balanced, source.sizes, "fp32", tmp_path)
    np.testing.assert_allclose(after, before, atol=1e-3)
    changed = {
        name for name in source.weights if not np.array_equal(balanced[name], source.weights[name])
    }
    # Of each layer: two normalisations, and the matrices that read what they give.
    assert len(changed) == {"gpt2": 6, "llama": 7}[source.sizes.family] * source.sizes.layers


def test_an_outlier_behind_a_normalisation_no_longer_costs_anything(tmp_path: Path):
    plain = make_source(tmp_path / "plain")
    spoilt = make_source(tmp_path / "spoilt", norms=100)
    exact = logits(plain.weights, plain.sizes, "fp32", tmp_path)
    errors = [
        float(np.std(logits(weights, plain.sizes, "int8", tmp_path) - exact))
        for weights in (
            balance(plain, observe(plain, TOKENS, tmp_path)),
            balance(spoilt, observe(spoilt, TOKENS, tmp_path)),
            spoilt.weights,
        )
    ]
    assert errors[1] == pytest.approx(errors[0], rel=0.1)
    assert errors[2] > 10 * errors[0]


@pytest.mark.parametrize("count", [2, 3, 64, 65])
def test_any_number_of_tokens_from_two_on_is_enough(count: int, tmp_path: Path):
    source = load_source(tiny_checkpoint(tmp_path / "checkpoint"))
    balanced = balance(source, observe(source, TOKENS[:count], tmp_path))
    assert all(np.isfinite(tensor).all() for tensor in balanced.values())


def test_a_channel_that_nothing_flows_through_stays_as_it_is(tmp_path: Path):
    source = load_source(tiny_checkpoint(tmp_path / "checkpoint"))
    silent = {**source.weights}
    for name in ("h.0.ln_1.weight", "h.0.ln_1.bias"):
        silent[name] = silent[name].copy()
        silent[name][3] = 0
    source = replace(source, weights=silent)
    balanced = balance(source, observe(source, TOKENS, tmp_path))
    read = "h.0.attn.c_attn.weight"
    np.testing.assert_array_equal(balanced[read][3], silent[read][3])
