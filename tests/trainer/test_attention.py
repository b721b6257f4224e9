from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.nn.attention.flex_attention import flex_attention
from transformers import AutoModelForCausalLM
from transformers.integrations import flex_attention as integration

from tests.models import tiny_checkpoint, tiny_llama
from trainer import attention
from trainer.attention import blocks, short_attention, visible
from trainer.loss import next_token_loss
from trainer.windows import IGNORED, Windows, stretches

CPU = torch.device("cpu")
LENGTH = 24


def test_without_a_mask_it_is_causal_attention():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 8)
    expected = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    found, _ = short_attention(torch.nn.Module().eval(), query, key, value, None)
    torch.testing.assert_close(found, expected.transpose(1, 2))


def test_heads_may_share_keys_and_scores_may_be_scaled_otherwise():
    torch.manual_seed(0)
    query, (key, value) = torch.randn(2, 4, 9, 8), torch.randn(2, 2, 2, 9, 8)
    expected = functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=0.7, enable_gqa=True
    )
    found, _ = short_attention(torch.nn.Module().eval(), query, key, value, None, scaling=0.7)
    torch.testing.assert_close(found, expected.transpose(1, 2))


def test_the_newest_query_of_a_cached_text_sees_every_key():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 6, 8)
    module = torch.nn.Module().eval()
    whole, _ = short_attention(module, query, key, value, None)
    tail, _ = short_attention(module, query[:, :, -2:], key, value, None)
    torch.testing.assert_close(tail, whole[:, -2:])


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_sees_what_the_mask_shows():
    torch.manual_seed(0)
    positions = torch.tensor([[0, 1, 2, 0, 1, 0, 1, 2], [0, 1, 2, 3, 4, 5, 6, 0]])
    query, key, value = torch.randn(3, 2, 2, 8, 16)
    expected = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=visible(positions)
    )
    found = flex_attention(query, key, value, block_mask=blocks(positions))
    torch.testing.assert_close(found, expected)


def plain_flex_attention(*given: Any, training: bool, **more: Any) -> Any:
    return flex_attention(*given, **more)


@pytest.fixture(scope="module", params=["gpt2", "llama", "their own", "fused kernel", "blocks"])
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, attention.Masking]]:
    """A real model of each kind, and what makes its masks."""
    path = tmp_path_factory.mktemp("model") / "checkpoint"
    (tiny_llama if request.param == "llama" else tiny_checkpoint)(path)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "their own":  # transformers makes the masks from the positions
            patch.setattr(attention, "PLAIN", frozenset())
        if request.param == "blocks":  # plainly computed: it is for GPUs that it is compiled
            patch.setattr(integration, "compile_friendly_flex_attention", plain_flex_attention)
        if request.param == "fused kernel":
            patch.setattr(attention, "SHORT", 0)
        loaded: Any = AutoModelForCausalLM.from_pretrained(path).eval()
        masking = attention.use(loaded, LENGTH, CPU, dropout=0.0)
        yield loaded, blocks if request.param == "blocks" else masking


documents = st.lists(
    st.lists(st.integers(1, 300), min_size=1, max_size=30), min_size=1, max_size=12
)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@settings(max_examples=15, deadline=None)
@given(documents=documents, seed=st.integers(0, 9))
def test_a_document_in_a_packed_row_has_the_logits_and_loss_it_has_alone(
    model: tuple[Any, attention.Masking], documents: list[list[int]], seed: int
):
    network, masking = model
    tokens = np.array([0, *(token for text in documents for token in [*text, 0])])
    batch = Windows(tokens, LENGTH, 100, 0, seed).batch_at(0)
    inputs, targets, positions = (
        torch.from_numpy(rows) for rows in (batch.inputs, batch.targets, batch.positions)
    )
    alone: dict[tuple[int, ...], torch.Tensor] = {}
    total = 0.0
    with torch.no_grad():
        for stretch, wanted in stretches(tokens, LENGTH, 0):
            logits = network(torch.from_numpy(stretch)[None]).logits[0]
            total += functional.cross_entropy(logits, torch.from_numpy(wanted), reduction="sum")
            alone[(*stretch, *wanted)] = logits
        body = network.base_model
        written = body(
            inputs, use_cache=False, **attention.arguments(positions, masking(positions))
        )
        packed = network.lm_head(written.last_hidden_state)
        loss = next_token_loss(packed, torch.eye(packed.shape[-1]), targets)
    torch.testing.assert_close(loss, total / batch.count, rtol=1e-4, atol=1e-4)
    for row in range(len(batch)):
        starts = [*np.flatnonzero(batch.positions[row] == 0), LENGTH]
        for start, stop in pairwise(starts):
            real = slice(start, start + int((targets[row, start:stop] != IGNORED).sum()))
            expected = alone[(*batch.inputs[row, real], *batch.targets[row, real])]
            torch.testing.assert_close(packed[row, real], expected, rtol=1e-3, atol=1e-3)
