"""The model that is measured: a GPT-2 of random weights that is as sure of itself as a real one.

Speed does not depend on what a model says, but sampling depends on how sure it is: untrained, its
next token is any of 50,257 (10.7 nats), and every sampler of top-p carries tens of thousands of
candidates along. So the blocks are made louder than the embedding, and the last normalisation is
scaled until the entropy is that of a real GPT-2 on its own text, 3 to 4 nats.
"""

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel

from backends.model_directory import Precision
from trainer.export import export_model

END = "<|endoftext|>"
BLOCKS = 10.0
"""By this the blocks' outputs outweigh the embedding, or each token would propose itself again."""
LOGITS = 4.5
"""Standard deviation of the logits that gives 124M the entropy wanted."""
START = 8
"""Random tokens with which a sampled text begins."""
HELD_OUT, LONGEST = 8, 256
"""Texts, and tokens in each, that the model writes to find the scales of whole numbers by."""
PARITY_TOLERANCE = 0.1
"""Logits are larger than a trained model's, and so are their rounding errors."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a GPT-2."""

    layers: int
    heads: int
    width: int
    context: int
    vocabulary: int


SHAPES = {"124M": Shape(12, 12, 768, 1024, 50257), "tiny": Shape(2, 2, 64, 256, 512)}


def make_checkpoint(path: Path, shape: Shape, *, flat: bool = False) -> Path:
    """Write a checkpoint; `flat` leaves its weights as untrained ones are."""
    config = GPT2Config(
        n_layer=shape.layers, n_head=shape.heads, n_embd=shape.width, n_positions=shape.context,
        vocab_size=shape.vocabulary, bos_token_id=shape.vocabulary - 1,
        eos_token_id=shape.vocabulary - 1,
    )  # fmt: skip
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config)
    if not flat:
        _decide(model)
    # The end token's score is 0, far below the likely ones: no side needs to be told to ignore it.
    model.transformer.wte.weight.data[shape.vocabulary - 1] = 0
    model.save_pretrained(path)
    make_tokenizer(shape.vocabulary).save(str(path / "tokenizer.json"))
    return path


def _decide(model: GPT2LMHeadModel) -> None:
    """Make the next token as predictable as a trained model's."""
    with torch.no_grad():
        blocks: Any = model.transformer.h
        for block in blocks:
            block.attn.c_proj.weight *= BLOCKS
            block.mlp.c_proj.weight *= BLOCKS
        deviation = model.config.initializer_range * model.config.n_embd**0.5
        model.transformer.ln_f.weight.fill_(LOGITS / deviation)


def make_tokenizer(vocabulary: int) -> Tokenizer:
    """Return a byte-level tokenizer: all bytes, fillers, and the end token last."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fillers = (f"filler{number}" for number in range(vocabulary - 1 - len(alphabet)))
    pieces = {piece: number for number, piece in enumerate([*alphabet, *fillers])}
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    return tokenizer


def export(checkpoint: Path, precision: Precision) -> Path:
    """Return the model directory of a checkpoint, made beside it where it is not there yet."""
    target = checkpoint.parent / precision
    if not target.exists():
        model = GPT2LMHeadModel.from_pretrained(checkpoint).eval()
        length = min(LONGEST, model.config.n_positions)
        texts = sample(model, HELD_OUT, length - START)
        divided = torch.nn.functional.pad(texts, (0, 1), value=model.config.eos_token_id)
        export_model(
            checkpoint, target, precision=precision, validation=divided.numpy().ravel(),
            training={}, data={}, defaults={}, parity_tolerance=PARITY_TOLERANCE,
        )  # fmt: skip
    return target


def sample(model: GPT2LMHeadModel, texts: int, tokens: int) -> torch.Tensor:
    """Return texts that the model writes, (texts, START + tokens)."""
    torch.manual_seed(0)
    start = torch.randint(1, 256, (texts, START))
    with torch.inference_mode():
        written: Any = model.generate(
            start, attention_mask=torch.ones_like(start), do_sample=True, top_k=0,
            min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0,
        )  # fmt: skip
    return written


def prompts(seed: int, characters: int = 26) -> Iterator[str]:
    """Yield prompts without end, a token a character, of which hardly two begin alike."""
    draw = random.Random(seed)
    while True:
        yield "".join(draw.choices(string.ascii_letters, k=characters))


def certainty(checkpoint: Path, texts: int = 8, tokens: int = 64) -> tuple[float, float]:
    """Return how open the next token is in texts that the model samples.

    Mean entropy in nats, and the median size of the nucleus that holds 0.95 of the probability.
    """
    model = GPT2LMHeadModel.from_pretrained(checkpoint).eval()
    written = sample(model, texts, tokens)
    with torch.inference_mode():
        likely = model(written).logits[:, -tokens:].softmax(-1)
    entropy = -(likely * likely.clamp_min(1e-30).log()).sum(-1).mean().item()
    reach = likely.sort(-1, descending=True).values.cumsum(-1)
    return entropy, (reach < 0.95).sum(-1).add(1).float().median().item()
