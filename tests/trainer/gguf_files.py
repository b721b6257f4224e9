"""GGUF files made of tiny Llama checkpoints, with llama.cpp's names and order of rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quantize
from numpy.typing import NDArray
from safetensors.numpy import load_file

from tests.models import END

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(
    checkpoint: Path,
    path: Path,
    *,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    pre: str = "gpt-2",
    metadata: Mapping[str, int | float | str | bool] | None = None,
    tensors: Mapping[str, NDArray[np.float32]] | None = None,
) -> Path:
    """Write a Hugging Face directory of a Llama as a GGUF file; matrices are stored as `kind`."""
    config = json.loads((checkpoint / "config.json").read_text())
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_license("apache-2.0")
    _add_tokenizer(writer, json.loads((checkpoint / "tokenizer.json").read_text()), pre)
    for key, value in (metadata or {}).items():
        adders = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
        adders.get(type(value), writer.add_string)(key, value)
    for name, tensor in load_file(checkpoint / "model.safetensors").items():
        _add_tensor(writer, config, name, tensor, kind)
    for name, tensor in (tensors or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: GGUFWriter, tokenizer: dict[str, Any], pre: str) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(
        [TokenType.CONTROL if token == END else TokenType.NORMAL for token in tokens]
    )
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(vocabulary[END])
    writer.add_bos_token_id(vocabulary[END])


def _add_tensor(
    writer: GGUFWriter,
    config: dict[str, Any],
    name: str,
    tensor: NDArray[np.float32],
    kind: GGMLQuantizationType,
) -> None:
    stem, _, suffix = name.rpartition(".")
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    if key := heads.get(stem.rpartition(".")[2]):
        halves = tensor.reshape(config[key], 2, -1, *tensor.shape[1:])
        tensor = halves.swapaxes(1, 2).reshape(tensor.shape)
    if stem.startswith("model.layers."):
        layer, _, rest = stem.removeprefix("model.layers.").partition(".")
        stem = f"blk.{layer}.{NAMES[rest]}"
    else:
        stem = NAMES[stem]
    if tensor.ndim == 1 or kind is GGMLQuantizationType.F32:
        writer.add_tensor(f"{stem}.{suffix}", tensor)
    else:
        writer.add_tensor(f"{stem}.{suffix}", quantize(tensor, kind), raw_dtype=kind)
