"""The Llama family (Touvron et al. 2023) as nodes: RMSNorm, rotary positions and SwiGLU.

Several query heads may share a key/value head. Linear layers are stored (out, in), as PyTorch has
them. Biases are added where the weights have some, as in Qwen2; without `lm_head.weight` the table
of tokens is the output head, too.
"""

import numpy as np

from backends.model_directory import Architecture
from trainer.arithmetic import Arithmetic
from trainer.layers import affine, attend, keep_wanted
from trainer.nodes import MICROSOFT, Nodes, Weights

FREQUENCIES = "rotary_emb.inv_freq"
"""Name of the radians (head width / 2,) by which a pair of numbers turns from token to token."""

JOINED = {
    "qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o_proj": ("self_attn.o_proj",),
    "gate_up_proj": ("mlp.gate_proj", "mlp.up_proj"),
    "down_proj": ("mlp.down_proj",),
}
"""A layer's matrices: those that read the same input are multiplied as one."""


def llama(nodes: Nodes, how: Arithmetic, weights: Weights, sizes: Architecture) -> str:
    """Add the decoder and return its logits (R, vocabulary)."""
    rotary = _rotary(nodes, weights, sizes)
    x = how.lookup(nodes, "input_ids", "embed_tokens", weights["embed_tokens.weight"])
    for layer in range(sizes.layers):
        x = _block(nodes, how, weights, sizes, layer, x, rotary)
    last = _normalise(nodes, weights, sizes, "norm", x)
    head = "lm_head" if "lm_head.weight" in weights else "embed_tokens"
    return how.scores(nodes, last, head, weights[f"{head}.weight"])


def _block(
    nodes: Nodes,
    how: Arithmetic,
    weights: Weights,
    sizes: Architecture,
    layer: int,
    x: str,
    rotary: tuple[str, str],
) -> str:
    """Attention and a gated feed-forward network, each on a normalised residual stream."""
    parts, name = _joined(weights, layer), f"layers.{layer}"
    inner = _normalise(nodes, weights, sizes, f"{name}.input_layernorm", x)
    packed = affine(nodes, how, parts, f"{name}.qkv_proj", inner)
    mixed = attend(nodes, sizes, layer, packed, rotary)
    if layer == sizes.layers - 1:
        # Its keys and values are written: what follows matters where logits are wanted.
        x, mixed = (keep_wanted(nodes, part) for part in (x, mixed))
    x = nodes.add("Add", [x, affine(nodes, how, parts, f"{name}.o_proj", mixed)])
    inner = _normalise(nodes, weights, sizes, f"{name}.post_attention_layernorm", x)
    both = affine(nodes, how, parts, f"{name}.gate_up_proj", inner)
    gate, up = f"{name}.gate", f"{name}.up"
    nodes.add("Split", [both], output=gate, outputs=[up], axis=-1, num_outputs=2)
    # With alpha 1, x times sigmoid(alpha x) is SiLU.
    active = nodes.add("QuickGelu", [gate], domain=MICROSOFT, alpha=1.0)
    gated = nodes.add("Mul", [active, up])
    return nodes.add("Add", [x, affine(nodes, how, parts, f"{name}.down_proj", gated)])


def _joined(weights: Weights, layer: int) -> Weights:
    """Return a layer's matrices (in, out), joined, and their biases."""
    name = f"layers.{layer}"
    return {
        f"{name}.{joined}.{kind}": np.concatenate([weights[part] for part in parts]).T
        for joined, members in JOINED.items()
        for kind in ("weight", "bias")
        if (parts := [f"{name}.{member}.{kind}" for member in members])[0] in weights
    }


def _normalise(nodes: Nodes, weights: Weights, sizes: Architecture, name: str, x: str) -> str:
    scale = nodes.constant(f"{name}.weight", weights[f"{name}.weight"])
    # ONNX Runtime's name for RMSNorm. ONNX has one of its own from opset 23 on, whose other
    # operators not every provider of ONNX Runtime may know yet.
    epsilon = sizes.norm_epsilon
    return nodes.add("SimplifiedLayerNormalization", [x, scale], epsilon=epsilon, axis=-1)


def _rotary(nodes: Nodes, weights: Weights, sizes: Architecture) -> tuple[str, str]:
    """Store the cosines and sines (context, head width / 2) of each position's angles."""
    positions = np.arange(sizes.context, dtype=np.float32)
    angles = np.outer(positions, weights[FREQUENCIES].astype(np.float32))
    return nodes.constant("cosines", np.cos(angles)), nodes.constant("sines", np.sin(angles))
