from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backends import UserError
from backends.model_directory import Precision
from backends.onnx_engine.devices import HALF, has_cuda
from tests.models import tiny_checkpoint
from trainer.checked_graphs import build_checked, candidates
from trainer.source import Source, load_source

HELD_OUT = np.random.default_rng(0).integers(0, 371, 300)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return load_source(tiny_checkpoint(tmp_path / "checkpoint"))


def test_logits_match_pytorchs_when_reading_and_when_decoding(source: Source, tmp_path: Path):
    figures = build_checked(source, tmp_path, (), HELD_OUT, tolerance=1e-3)
    assert set(figures.parity) == {"prefill", "decode"}
    assert max(figures.parity.values()) < 1e-3


def test_fp32_and_the_precisions_wanted_are_built_and_measured(source: Source, tmp_path: Path):
    figures = build_checked(source, tmp_path, ("int8", "int4"), HELD_OUT, tolerance=1e-3)
    assert list(figures.perplexity) == list(figures.tokens_per_s) == ["fp32", "int8", "int4"]
    assert figures.perplexity["int8"] == pytest.approx(figures.perplexity["fp32"], rel=0.2)
    sizes = figures.sizes()
    assert sizes["int4"] < sizes["int8"] < sizes["fp32"]


def test_without_held_out_tokens_no_perplexity_is_measured(source: Source, tmp_path: Path):
    figures = build_checked(source, tmp_path, ("int8",), None, tolerance=1e-3)
    assert figures.perplexity == {}
    assert set(figures.tokens_per_s) == {"fp32", "int8"}


@pytest.mark.parametrize("tokens", [None, HELD_OUT[:1]])
def test_where_nothing_can_be_compared_nothing_is_built_to_choose_from(tokens: np.ndarray | None):
    assert candidates(tokens) == ()


@pytest.mark.skipif(has_cuda(), reason="with CUDA, 16 bits are among the candidates, too")
def test_the_candidates_for_a_cpu_are_those_in_whole_numbers():
    assert candidates(HELD_OUT) == ("int8", "int8-block", "int4")


@pytest.mark.parametrize("precision", HALF)
def test_16_bits_are_built_and_measured_where_they_can_run(
    precision: Precision, source: Source, tmp_path: Path
):
    figures = build_checked(source, tmp_path, (precision,), HELD_OUT, tolerance=1e-3)
    assert figures.sizes()[precision] < 0.6 * figures.sizes()["fp32"]
    if precision not in figures.tokens_per_s:
        pytest.skip(f"the processor's ONNX Runtime does not compute {precision}: it is for CUDA")
    assert figures.perplexity[precision] == pytest.approx(figures.perplexity["fp32"], rel=0.01)


@pytest.mark.parametrize("name", ["h.1.attn.c_attn.weight", "wpe.weight", "h.0.mlp.c_proj.weight"])
def test_a_graph_with_other_weights_is_refused_with_the_figures(
    name: str, source: Source, tmp_path: Path
):
    wrong = np.roll(source.weights[name], 1)
    other = replace(source, weights={**source.weights, name: wrong})
    with pytest.raises(UserError, match=r"logits differ by up to [\d.e+]+ when reading"):
        build_checked(other, tmp_path, (), None, tolerance=1e-3)
