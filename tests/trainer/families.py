"""Small models of many families, made on the spot, for what must not depend on the family."""

from pathlib import Path
from typing import Any

from tests.models import tiny_tokenizer

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bloom": {},
    "gemma2": {"head_dim": 16, "num_key_value_heads": 1},
    "gemma3_text": {"head_dim": 16, "num_key_value_heads": 1},
    "gpt_neox": {},
    "granite": {"logits_scaling": 4.0},
    "mamba": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "phi": {},
    "qwen3": {"head_dim": 16, "num_key_value_heads": 1},
}
"""Families that the engine has no graph for, and what their sizes need besides `SIZES`."""


def checkpoint(path: Path, family: str) -> Path:
    """Write a Hugging Face directory with a model of random but decided weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = tiny_tokenizer()
    sizes = {**SIZES, **FAMILIES[family], "vocab_size": tokenizer.get_vocab_size()}
    config = AutoConfig.for_model(family, **sizes)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    model.save_pretrained(path)
    tokenizer.save(str(path / "tokenizer.json"))
    return path
