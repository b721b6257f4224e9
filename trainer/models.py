"""The model to train: any causal language model of transformers, or a fresh one; its tokenizer."""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backends import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PretrainedConfig, PreTrainedModel

ALIASES = {
    "124M": "openai-community/gpt2",
    "355M": "openai-community/gpt2-medium",
    "774M": "openai-community/gpt2-large",
    "1558M": "openai-community/gpt2-xl",
}
"""OpenAI's sizes and where the hub keeps them."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""`owner/name`, as the Hugging Face hub writes it."""

END = "<|endoftext|>"
FAST_GELU = "gelu_pytorch_tanh"
"""The same function as GPT-2's `gelu_new`, in one operation instead of eight."""
DROPOUTS = (
    "resid_pdrop",
    "embd_pdrop",
    "attn_pdrop",
    "attention_dropout",
    "hidden_dropout",
    "resid_dropout",
    "embed_dropout",
    "dropout",
)
"""What the families call the shares that training drops."""


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

PUBLISHED = {
    "124M": Size(layers=12, heads=12, width=768, vocabulary=50257, lr=1e-4),
    "355M": Size(layers=24, heads=16, width=1024, vocabulary=50257, lr=1e-4),
    "774M": Size(layers=36, heads=20, width=1280, vocabulary=50257, lr=1e-4),
    "1558M": Size(layers=48, heads=25, width=1600, vocabulary=50257, lr=1e-4),
}
"""OpenAI's sizes, for plans."""
PUBLISHED_CONTEXT = 1024
PRETRAINED_LR, LORA_LR = 1e-4, 1e-3
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
"""What `--weights` stands for."""


def fresh_size(model: str) -> Size | None:
    """The size that `fresh:NAME` asks for, `None` for other models; refuses unknown names."""
    kind, _, name = model.partition(":")
    if kind != "fresh" or not _:
        return None
    if name not in SIZES:
        raise UserError(f"There is no fresh size {name!r}: choose from {', '.join(SIZES)}.")
    return SIZES[name]


def config_to_plan(model: str, vocabulary: int, context: int, dropout: float) -> "PretrainedConfig":
    """The configuration of a fresh or pretrained model; of OpenAI's sizes without the hub."""
    if published := PUBLISHED.get(model):
        return fresh_config(published, published.vocabulary, 0, PUBLISHED_CONTEXT, dropout)
    if size := fresh_size(model):
        return fresh_config(size, vocabulary, 0, context, dropout)
    config = load_config(model)
    _adjust(config, dropout)
    return config


def usual_lr(model: str, rank: int | None) -> float:
    """The highest learning rate where none is asked for; adapters of a `rank` need more of it."""
    size = fresh_size(model)
    return size.lr if size else LORA_LR if rank else PRETRAINED_LR


def resolve(model: str) -> str:
    """A directory, a GGUF file or a hub id for `model`; raises `UserError` where it is none."""
    if model in ALIASES:
        return ALIASES[model]
    path = Path(model)
    if (path / "config.json").is_file() or is_gguf(model):
        return str(path)
    if HUB_ID.fullmatch(model) and not path.exists():
        return model
    raise UserError(
        f"{model!r} is no model: give a Hugging Face directory (one with a config.json), a GGUF "
        f"file, a hub id such as HuggingFaceTB/SmolLM2-135M, one of {', '.join(ALIASES)}, or "
        f"fresh: followed by one of {', '.join(SIZES)}."
    )


def is_gguf(model: str) -> bool:
    """Whether `model` is a file of that format."""
    return model.lower().endswith(".gguf") and Path(model).is_file()


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
    """The tokenizer of a pretrained model, which adds, cuts and fills nothing by itself."""
    from transformers import AutoTokenizer

    from trainer import source

    path = Path(resolve(model))
    if path.is_file() or (path / "tokenizer.json").is_file():
        tokenizer = source.load_tokenizer(path)
    else:
        with _sentences(model):
            found = AutoTokenizer.from_pretrained(
                resolve(model), use_fast=True, trust_remote_code=False
            )
        tokenizer = getattr(found, "backend_tokenizer", None)
        if tokenizer is None:
            raise UserError(f"{model} has no tokenizer.json, and its tokenizer has no fast form.")
    tokenizer.post_processor = None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def load_config(model: str) -> "PretrainedConfig":
    """The configuration of a pretrained model; raises `UserError` where it cannot be trained."""
    from transformers import AutoConfig

    folder, more = _place(model)
    with _sentences(model):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **more)
    if why := _untrainable(config):
        raise UserError(f"{model} cannot be finetuned: {why}.")
    return config


def _untrainable(config: "PretrainedConfig") -> str:
    """Why a model of this configuration cannot learn to go on with a text; empty where it can."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    kind = type(config)
    reads_both_ways = kind in MODEL_FOR_MASKED_LM_MAPPING and not config.is_decoder
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING or config.is_encoder_decoder or reads_both_ways:
        return f"{config.model_type!r} models do not go on with a text (they are no causal LMs)"
    if getattr(config, "quantization_config", None):
        return "its weights are quantised; only those of GGUF files may be"
    return ""


def _place(model: str) -> tuple[str, dict[str, str]]:
    """Where transformers finds a model, and what else it must be told."""
    source = resolve(model)
    if is_gguf(model):
        return str(Path(source).parent), {"gguf_file": Path(source).name}
    return source, {}


def end_token(tokenizer: "Tokenizer", model: str) -> int:
    """The id of the token that ends a text; raises `UserError` where there is none.

    It is what the model's own configuration names, of several the first, else GPT-2's.
    """
    stated = None if fresh_size(model) else load_config(model).eos_token_id
    return stated_end(stated, tokenizer)


def stated_end(stated: int | list[int] | None, tokenizer: "Tokenizer") -> int:
    """The same, of a configuration's `eos_token_id`."""
    token = stated[0] if isinstance(stated, list) and stated else stated
    if not isinstance(token, int):
        token = tokenizer.token_to_id(END)
    if token is None or tokenizer.id_to_token(token) is None:
        raise UserError(
            f"The model's configuration names no end token (eos_token_id) and its tokenizer has "
            f"no {END}: there is nothing that could end a text."
        )
    return token


def context_of(config: "PretrainedConfig") -> int:
    """The most tokens a model attends to; very many where its configuration names no limit."""
    names = ("max_position_embeddings", "max_seq_len", "seq_length")
    stated = next((value for name in names if (value := getattr(config, name, None))), None)
    return int(stated) if stated else sys.maxsize


def fresh_model(
    size: Size, tokenizer: "Tokenizer", context: int, dropout: float
) -> "GPT2LMHeadModel":
    """A GPT-2 with random weights, drawn from torch's global generator."""
    from transformers import GPT2LMHeadModel

    vocabulary, end = tokenizer.get_vocab_size(), stated_end(None, tokenizer)
    return GPT2LMHeadModel(fresh_config(size, vocabulary, end, context, dropout))


def fresh_config(
    size: Size, vocabulary: int, end: int, context: int, dropout: float
) -> "GPT2Config":
    """The configuration of a GPT-2 of that size."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=vocabulary,
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


def load_model(model: str, dropout: float, weights: str = "fp32") -> "PreTrainedModel":
    """A pretrained causal language model, to be trained with `dropout`.

    Its parameters are `fp32` or `bf16`. Only safetensors and GGUF files are opened, and no code of
    the model's own is run.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config, dtype = load_config(model), getattr(torch, DTYPES[weights])
    _adjust(config, dropout)
    folder, more = _place(model)
    with _sentences(model):
        loaded = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=dtype,
            **more,
        )
    # What GGUF's tensors are turned into does not always keep to the type asked for.
    torch.nn.Module.to(loaded, dtype)
    return loaded


def _adjust(config: "PretrainedConfig", dropout: float) -> None:
    """Set what training wants of a configuration."""
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, dropout)
    if getattr(config, "activation_function", None) == "gelu_new":
        config.activation_function = FAST_GELU


def attention_dropout(config: "PretrainedConfig") -> float:
    """The share of attention weights that training drops."""
    names = [name for name in DROPOUTS if name.startswith("att") and hasattr(config, name)]
    return max((getattr(config, name) for name in names), default=0.0)


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
            if resolve(model) != str(Path(model)) or not Path(model).exists()
            else f"The model in {model} cannot be read"
        )
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"{where} ({reason}).") from error
