from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel

from backends.model_directory import GRAPH, read_card
from backends.onnx_engine.decoder import Decoder
from trainer.perplexity import perplexity


@pytest.fixture(scope="module")
def decoder(tiny_model: Path) -> Decoder:
    return Decoder(tiny_model / GRAPH, read_card(tiny_model).architecture, slots=1, threads=1)


def test_it_is_the_exponential_of_pytorchs_loss(decoder: Decoder, tiny_model: Path):
    tokens = np.random.default_rng(0).integers(1, 371, 65)
    model = GPT2LMHeadModel.from_pretrained(tiny_model.with_name("tiny-checkpoint")).eval()
    ids = torch.from_numpy(tokens)
    with torch.inference_mode():
        loss = torch.nn.functional.cross_entropy(model(ids[None, :-1]).logits[0], ids[1:])
    measured = perplexity(decoder, tokens, end_token=0)
    assert measured == pytest.approx(float(loss.exp()), rel=1e-4)


@pytest.mark.parametrize("count", [2, 3, 64, 65, 66, 200])
def test_any_number_of_tokens_from_two_on_is_measured(decoder: Decoder, count: int):
    tokens = np.random.default_rng(1).integers(0, 371, count)
    assert perplexity(decoder, tokens, end_token=0) > 1
