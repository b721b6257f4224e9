"""The model to train: a local directory, a published size, or a fresh one; and its tokenizer."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import GPT2LMHeadModel

ALIASES = {
    "124M": "openai-community/gpt2",
    "355M": "openai-community/gpt2-medium",
    "774M": "openai-community/gpt2-large",
    "1558M": "openai-community/gpt2-xl",
}
"""OpenAI's sizes and where the hub keeps them."""

END = "<|endoftext|>"
FAST_GELU = "gelu_pytorch_tanh"
"""The same function as GPT-2's `gelu_new`, in one operation instead of eight."""


@dataclass(frozen=True)
class Size:
    """The shape of a fresh model, and how it is best trained."""

    layers: int
    heads: int
    width: int
    vocabulary: int
    lr: float


SIZES = {
    "tiny": Size(layers=4, heads=4, width=128, vocabulary=2048, lr=6e-3),
    "small": Size(layers=6, heads=4, width=256, vocabulary=4096, lr=4e-3),
    "medium": Size(layers=8, heads=8, width=512, vocabulary=8192, lr=2e-3),
    "large": Size(layers=12, heads=12, width=768, vocabulary=16384, lr=1e-3),
}
"""What `fresh:NAME` stands for."""

PRETRAINED_LR = 1e-4


def fresh_size(model: str) -> Size | None:
    """The size that `fresh:NAME` asks for, `None` for other models; refuses unknown names."""
    kind, _, name = model.partition(":")
    if kind != "fresh" or not _:
        return None
    if name not in SIZES:
        raise UserError(f"There is no fresh size {name!r}: choose from {', '.join(SIZES)}.")
    return SIZES[name]


def resolve(model: str) -> str:
    """A directory or a hub id for `model`; raises `UserError` where it is neither."""
    if model in ALIASES:
        return ALIASES[model]
    path = Path(model)
    if (path / "config.json").is_file():
        return str(path)
    raise UserError(
        f"{model!r} is no model: give a Hugging Face directory (one with a config.json), one of "
        f"{', '.join(ALIASES)}, or fresh: followed by one of {', '.join(SIZES)}."
    )


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> "Tokenizer":
    """Learn a byte-level BPE of at most `vocabulary` tokens; token 0 ends a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_tokenizer(model: str) -> "Tokenizer":
    """The tokenizer of a pretrained model."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    source = resolve(model)
    local = Path(source) / "tokenizer.json"
    if local.is_file():
        return Tokenizer.from_file(str(local))
    with _sentences(model):
        return AutoTokenizer.from_pretrained(source, use_fast=True).backend_tokenizer


def end_token(tokenizer: "Tokenizer") -> int:
    """The id of the token that ends a text; raises `UserError` where there is none."""
    token = tokenizer.token_to_id(END)
    if token is None:
        raise UserError(f"The model's tokenizer has no {END} token, which GPT-2 ends texts with.")
    return token


def fresh_model(
    size: Size, tokenizer: "Tokenizer", context: int, dropout: float
) -> "GPT2LMHeadModel":
    """A GPT-2 with random weights, drawn from torch's global generator."""
    from transformers import GPT2Config, GPT2LMHeadModel

    end = end_token(tokenizer)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=context,
        n_embd=size.width,
        n_layer=size.layers,
        n_head=size.heads,
        activation_function=FAST_GELU,
        bos_token_id=end,
        eos_token_id=end,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
    )
    return GPT2LMHeadModel(config)


def load_model(model: str, dropout: float) -> "GPT2LMHeadModel":
    """A pretrained GPT-2 in fp32, to be trained with `dropout`."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    source = resolve(model)
    with _sentences(model):
        config = GPT2Config.from_pretrained(source)
        if config.model_type != "gpt2":
            raise UserError(f"{model} is a {config.model_type!r} model: only GPT-2 can be trained.")
        config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = dropout
        if config.activation_function == "gelu_new":
            config.activation_function = FAST_GELU
        return GPT2LMHeadModel.from_pretrained(
            source, config=config, use_safetensors=True, dtype=torch.float32
        )


@contextmanager
def _sentences(model: str) -> Iterator[None]:
    """Turn the libraries' errors of finding and reading a model into a sentence."""
    from huggingface_hub.utils import logging
    from safetensors import SafetensorError

    logging.set_verbosity_error()  # its warnings at each try hide the sentence below
    try:
        yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        where = (
            f"{model} could not be fetched from the Hugging Face hub: check the network, or "
            "download it elsewhere and give its directory"
            if model in ALIASES
            else f"The model in {model} cannot be read"
        )
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"{where} ({reason}).") from error
