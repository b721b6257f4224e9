"""Read a GGUF file of the Llama family: its numbers as fp32, its keys and names as Hugging Face's.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md has the format.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, ReaderTensor, dequantize
from numpy.typing import NDArray
from tokenizers import Tokenizer

from backends.model_directory import sha256_of
from trainer.gguf_tokenizer import build_tokenizer
from trainer.llama_source import FACTORS
from trainer.stored import RefusedError, Stored, refuse

PERMUTED = {"llama": True, "qwen2": False}
"""The architectures that are read, and whether llama.cpp reorders their queries and keys."""
NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""A tensor's name there, without `blk.N.` before it, and Hugging Face's."""


class _Reader(GGUFReader):
    """A reader that ends where the file ends, whatever lengths and counts the file claims."""

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
        if int(offset) + int(count) * np.dtype(dtype).itemsize > len(self.data):
            raise ValueError("it is cut short or damaged")
        return super()._get(offset, dtype, count, override_order)


class _Metadata(dict[str, Any]):
    """What a file says of itself; a key that lacks is named."""

    def __missing__(self, key: str) -> Any:
        raise RefusedError(f"it does not say {key}")


def read_gguf(path: Path) -> Stored:
    """Read the file. Raises `RefusedError` where it is broken or of another architecture."""
    with _sentences():
        reader, metadata = _open(path)
        architecture = metadata["general.architecture"]
        if architecture not in PERMUTED:
            known = " or ".join(PERMUTED)
            raise RefusedError(f"its architecture is {architecture!r}, not {known}")
        config = _config(architecture, metadata, reader.tensors)
        weights = {_name(tensor.name): _numbers(tensor) for tensor in reader.tensors}
        if PERMUTED[architecture]:
            weights = {name: _in_order(name, one, config) for name, one in weights.items()}
        return Stored(
            config=config,
            weights=weights,
            tokenizer=build_tokenizer(metadata),
            sha256=sha256_of(path),
            licence=str(metadata.get("general.license", "")),
            has_reference=not any(map(_overlooked, weights)) or architecture == "qwen2",
        )


def read_tokenizer(path: Path) -> Tokenizer:
    """Read no more than the tokenizer. Raises `RefusedError` likewise."""
    with _sentences():
        return build_tokenizer(_open(path)[1])


@contextmanager
def _sentences() -> Generator[None]:
    try:
        yield
    except RefusedError:
        raise
    # The tokenizers library raises Exception itself, and the gguf library whatever numpy does.
    except Exception as error:
        raise RefusedError(f"it cannot be read as GGUF ({error})") from error


def _open(path: Path) -> tuple[GGUFReader, _Metadata]:
    reader = _Reader(path)
    return reader, _Metadata({key: field.contents() for key, field in reader.fields.items()})


def _config(
    architecture: str, metadata: _Metadata, tensors: Sequence[ReaderTensor]
) -> dict[str, Any]:
    """Return the keys of a `config.json` that say the same."""

    def own(key: str, default: Any = None) -> Any:
        name = f"{architecture}.{key}"
        return metadata[name] if default is None else metadata.get(name, default)

    heads, width = own("attention.head_count"), own("embedding_length")
    head_width = own("attention.key_length", width // heads)
    shapes = {tensor.name: tensor.data.shape for tensor in tensors}
    scaling = own("rope.scaling.type", "none")
    refuse(
        {
            "it is a mixture of experts": own("expert_count", 0) > 0,
            "its heads' values are not as wide as their keys": (
                own("attention.value_length", head_width) != head_width
            ),
        }
    )
    return {
        "model_type": architecture,
        "hidden_size": width,
        "intermediate_size": own("feed_forward_length"),
        "num_hidden_layers": own("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": own("attention.head_count_kv", heads),
        "head_dim": head_width,
        "max_position_embeddings": own("context_length"),
        "vocab_size": shapes["token_embd.weight"][0] if "token_embd.weight" in shapes else None,
        "rms_norm_eps": own("attention.layer_norm_rms_epsilon"),
        "tie_word_embeddings": "output.weight" not in shapes,
        "rope_scaling": {
            "rope_theta": own("rope.freq_base", 10_000.0),
            "rope_type": "default" if scaling == "none" else scaling,
            "factor": own("rope.scaling.factor", 1.0),
            "partial_rotary_factor": own("rope.dimension_count", head_width) / head_width,
        },
        "sliding_window": own("attention.sliding_window", own("context_length")),
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
    }


def _name(name: str) -> str:
    """Return Hugging Face's name of a tensor; one that it has no name for keeps its own."""
    if name.startswith("blk."):
        _, layer, rest = name.split(".", 2)
        return f"layers.{layer}.{_name(rest)}"
    stem, _, kind = name.rpartition(".")
    return f"{NAMES[stem]}.{kind}" if stem in NAMES else name


def _numbers(tensor: ReaderTensor) -> NDArray[np.float32]:
    return dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)


def _overlooked(name: str) -> bool:
    """Tell whether transformers reads a Llama's file without this: its logits are others then."""
    return name == FACTORS or name.endswith(".bias")


def _in_order(
    name: str, tensor: NDArray[np.float32], config: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Undo llama.cpp's order of a head's rows (`LlamaModel.permute` in convert_hf_to_gguf.py).

    It turns neighbours, Hugging Face the two halves of a head.
    """
    counts = {"self_attn.q_proj": "num_attention_heads", "self_attn.k_proj": "num_key_value_heads"}
    count = next((key for part, key in counts.items() if part in name), None)
    if count is None:
        return tensor
    pairs = tensor.reshape(config[count], -1, 2, *tensor.shape[1:])
    return pairs.swapaxes(1, 2).reshape(tensor.shape)
