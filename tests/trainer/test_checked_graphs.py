from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backends import UserError
from tests.models import tiny_checkpoint
from trainer.checked_graphs import build_checked
from trainer.source import Source, load_source

HELD_OUT = np.random.default_rng(0).integers(0, 371, 300)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return load_source(tiny_checkpoint(tmp_path / "checkpoint"))


def test_logits_match_pytorchs_when_reading_and_when_decoding(source: Source, tmp_path: Path):
    figures = build_checked(source, tmp_path, HELD_OUT, tolerance=1e-3)
    assert set(figures.parity) == {"prefill", "decode"}
    assert max(figures.parity.values()) < 1e-3


def test_both_precisions_are_built_and_measured(source: Source, tmp_path: Path):
    figures = build_checked(source, tmp_path, HELD_OUT, tolerance=1e-3)
    assert list(figures.perplexity) == ["fp32", "int8"]
    assert figures.perplexity["int8"] == pytest.approx(figures.perplexity["fp32"], rel=0.2)
    assert figures.sizes()["int8"] < figures.sizes()["fp32"]


def test_without_held_out_tokens_nothing_is_measured(source: Source, tmp_path: Path):
    assert build_checked(source, tmp_path, None, tolerance=1e-3).perplexity == {}


@pytest.mark.parametrize("name", ["h.1.attn.c_attn.weight", "wpe.weight", "h.0.mlp.c_proj.weight"])
def test_a_graph_with_other_weights_is_refused_with_the_figures(
    name: str, source: Source, tmp_path: Path
):
    wrong = np.roll(source.weights[name], 1)
    other = replace(source, weights={**source.weights, name: wrong})
    with pytest.raises(UserError, match=r"logits differ by up to [\d.e+]+ when reading"):
        build_checked(other, tmp_path, None, tolerance=1e-3)
