from pathlib import Path

import pytest
import torch

from tests.models import tiny_checkpoint, tiny_llama
from tests.trainer.families import checkpoint
from trainer import models, probe

PLAIN_HEADS = {"bloom", "gemma3_text", "gpt_neox", "mamba", "opt", "qwen3"}
OTHER_HEADS = {"gemma2": "bent", "granite": "scaled", "phi": "biased"}
APART = {"gemma2", "gemma3_text", "gpt_neox", "granite", "phi", "qwen3"}
TOGETHER = {"bloom": "takes no notice", "mamba": "refuses them", "opt": "masks by itself"}


@pytest.mark.parametrize("family", sorted(PLAIN_HEADS | set(OTHER_HEADS)))
def test_a_head_is_plain_where_no_bias_scale_or_bend_follows_the_product(
    family: str, tmp_path: Path
):
    model = models.load_model(str(checkpoint(tmp_path / "model", family)), 0.5)
    assert probe.has_plain_head(model) is (family in PLAIN_HEADS)
    assert not model.training


@pytest.mark.parametrize("family", sorted(APART | set(TOGETHER)))
def test_a_family_keeps_apart_where_positions_hide_what_stands_before(family: str, tmp_path: Path):
    model = models.load_model(str(checkpoint(tmp_path / "model", family)), 0.5)
    assert probe.keeps_apart(model) is (family in APART)


@pytest.mark.parametrize("weights", ["fp32", "bf16"])
def test_gpt2_and_llama_have_plain_heads_and_keep_apart(weights: str, tmp_path: Path):
    for make in (tiny_checkpoint, tiny_llama):
        model = models.load_model(str(make(tmp_path / make.__name__)), 0.5, weights).train()
        assert probe.has_plain_head(model)
        assert probe.keeps_apart(model)
        assert model.training
        assert next(model.parameters()).dtype == getattr(torch, models.DTYPES[weights])
