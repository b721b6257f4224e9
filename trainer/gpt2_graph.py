"""GPT-2 (Radford et al. 2019) as nodes: learned positions, LayerNormalization, FastGelu."""

from backends.model_directory import Architecture
from trainer.arithmetic import Arithmetic
from trainer.layers import affine, attend, wanted_rows
from trainer.nodes import MICROSOFT, Nodes, Weights


def gpt2(nodes: Nodes, how: Arithmetic, weights: Weights, sizes: Architecture) -> str:
    """Add the decoder and return its logits (R, vocabulary)."""
    tokens = how.lookup(nodes, "input_ids", "wte", weights["wte.weight"])
    positions = how.lookup(nodes, "position_ids", "wpe", weights["wpe.weight"])
    x = nodes.add("Add", [tokens, positions])
    inner = _normalise(nodes, weights, sizes, "h.0.ln_1", x)
    for layer in range(sizes.layers):
        name, following = f"h.{layer}", f"h.{layer + 1}.ln_1"
        packed = affine(nodes, how, weights, f"{name}.attn.c_attn", inner)
        mixed = attend(nodes, sizes, layer, packed)
        inner, x = _project(
            nodes, how, weights, sizes, f"{name}.attn.c_proj", mixed, x, f"{name}.ln_2"
        )
        wide = how.linear(nodes, inner, f"{name}.mlp.c_fc", weights[f"{name}.mlp.c_fc.weight"])
        bias = nodes.constant(f"{name}.mlp.c_fc.bias", weights[f"{name}.mlp.c_fc.bias"])
        active = nodes.add("FastGelu", [wide, bias], domain=MICROSOFT)
        norm = following if layer + 1 < sizes.layers else "ln_f"
        inner, x = _project(nodes, how, weights, sizes, f"{name}.mlp.c_proj", active, x, norm)
    return how.scores(nodes, wanted_rows(nodes, sizes, inner), "wte", weights["wte.weight"])


def _project(
    nodes: Nodes,
    how: Arithmetic,
    weights: Weights,
    sizes: Architecture,
    name: str,
    x: str,
    stream: str,
    norm: str,
) -> tuple[str, str]:
    """Project x and add it to the residual stream; return that normalised, and the new stream.

    One operator for bias, sum and normalisation: at one token a step, small ones cost most.
    """
    product = how.linear(nodes, x, name, weights[f"{name}.weight"])
    names = (f"{norm}.weight", f"{norm}.bias", f"{name}.bias")
    constants = [nodes.constant(one, weights[one]) for one in names]
    total = f"{norm}.stream"
    inner = nodes.add(
        "SkipLayerNormalization",
        [stream, product, *constants],
        outputs=["", "", total],
        domain=MICROSOFT,
        epsilon=sizes.norm_epsilon,
    )
    return inner, total


def _normalise(nodes: Nodes, weights: Weights, sizes: Architecture, name: str, x: str) -> str:
    scale = nodes.constant(f"{name}.weight", weights[f"{name}.weight"])
    bias = nodes.constant(f"{name}.bias", weights[f"{name}.bias"])
    return nodes.add("LayerNormalization", [x, scale, bias], epsilon=sizes.norm_epsilon, axis=-1)
