"""Small models with outliers as pretrained ones have them, and texts that they write themselves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import GPT2LMHeadModel

from backends.decoding.draws import no_wishes
from backends.model_directory import GRAPH
from backends.onnx_engine.decoder import Decoder
from tests.models import tiny_checkpoint
from trainer.graph import build_graph, save_graph
from trainer.source import Source, load_source

CHANNEL = 3


def make_source(path: Path, *, norms: float = 1, values: float = 1) -> Source:
    """Return a model that computes the same whatever the factors of one channel are.

    What the normalisations (`norms`) or the values of attention (`values`) are multiplied by in
    that channel, the matrices that read it are divided by.
    """
    model = GPT2LMHeadModel.from_pretrained(tiny_checkpoint(path, width=128))
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.ndim == 2 and not name.startswith("lm_head"):  # that is the table of tokens again
            tensor *= 0.25
    for layer in range(model.config.n_layer):
        block = f"transformer.h.{layer}"
        for norm, matrix in (("ln_1", "attn.c_attn"), ("ln_2", "mlp.c_fc")):
            state[f"{block}.{norm}.weight"][CHANNEL] *= norms
            state[f"{block}.{norm}.bias"][CHANNEL] *= norms
            state[f"{block}.{matrix}.weight"][CHANNEL] /= norms
        state[f"{block}.attn.c_attn.weight"][:, 2 * 128 + CHANNEL] *= values
        state[f"{block}.attn.c_proj.weight"][CHANNEL] /= values
    model.save_pretrained(path)
    return load_source(path)


def write_text(source: Source, folder: Path) -> NDArray[np.int64]:
    """Return texts that the model itself writes: whatever moves its logits predicts them worse."""
    save_graph(build_graph(source.weights, source.sizes, "fp32"), folder / GRAPH)
    decoder = Decoder(folder / GRAPH, source.sizes, slots=16, threads=1)
    random, texts = np.random.default_rng(0), np.zeros((16, source.sizes.context), np.int64)
    for position in range(source.sizes.context - 1):
        wishes = replace(no_wishes(16), random=random.random((16, 1)))
        drawn = decoder.step(texts[:, position], np.full(16, position), wishes).tokens
        texts[:, position + 1] = drawn[:, 0]
    return texts.ravel()
