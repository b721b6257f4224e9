"""GPT-2 (Radford et al. 2019) as nodes: learned positions, LayerNormalization, FastGelu."""

from backends.model_directory import Architecture
from trainer.arithmetic import Arithmetic
from trainer.layers import affine, attend, keep_wanted
from trainer.nodes import MICROSOFT, Nodes, Weights


def gpt2(nodes: Nodes, how: Arithmetic, weights: Weights, sizes: Architecture) -> str:
    """Add the decoder and return its logits (R, vocabulary)."""
    tokens = how.lookup(nodes, "input_ids", "wte", weights["wte.weight"])
    positions = how.lookup(nodes, "position_ids", "wpe", weights["wpe.weight"])
    x = nodes.add("Add", [tokens, positions])
    for layer in range(sizes.layers):
        x = _block(nodes, how, weights, sizes, layer, x)
    last = _normalise(nodes, weights, sizes, "ln_f", x)
    return how.scores(nodes, last, "wte", weights["wte.weight"])


def _block(
    nodes: Nodes, how: Arithmetic, weights: Weights, sizes: Architecture, layer: int, x: str
) -> str:
    """Attention and a feed-forward network, each on a normalised residual stream."""
    name = f"h.{layer}"
    inner = _normalise(nodes, weights, sizes, f"{name}.ln_1", x)
    packed = affine(nodes, how, weights, f"{name}.attn.c_attn", inner)
    mixed = attend(nodes, sizes, layer, packed)
    if layer == sizes.layers - 1:
        # Its keys and values are written: what follows matters where logits are wanted.
        x, mixed = (keep_wanted(nodes, part) for part in (x, mixed))
    x = nodes.add("Add", [x, affine(nodes, how, weights, f"{name}.attn.c_proj", mixed)])
    inner = _normalise(nodes, weights, sizes, f"{name}.ln_2", x)
    wide = how.linear(nodes, inner, f"{name}.mlp.c_fc", weights[f"{name}.mlp.c_fc.weight"])
    bias = nodes.constant(f"{name}.mlp.c_fc.bias", weights[f"{name}.mlp.c_fc.bias"])
    active = nodes.add("FastGelu", [wide, bias], domain=MICROSOFT)
    return nodes.add("Add", [x, affine(nodes, how, weights, f"{name}.mlp.c_proj", active)])


def _normalise(nodes: Nodes, weights: Weights, sizes: Architecture, name: str, x: str) -> str:
    scale = nodes.constant(f"{name}.weight", weights[f"{name}.weight"])
    bias = nodes.constant(f"{name}.bias", weights[f"{name}.bias"])
    return nodes.add("LayerNormalization", [x, scale, bias], epsilon=sizes.norm_epsilon, axis=-1)
