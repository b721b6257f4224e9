"""The parts that decoder graphs of all families share."""

import numpy as np

from backends.model_directory import Architecture
from trainer.arithmetic import Arithmetic
from trainer.nodes import MICROSOFT, Nodes, Weights


def affine(nodes: Nodes, how: Arithmetic, weights: Weights, name: str, x: str) -> str:
    """Return x times `name.weight` (in, out), plus `name.bias` where there is one."""
    product = how.linear(nodes, x, name, weights[f"{name}.weight"])
    bias = weights.get(f"{name}.bias")
    return (
        product
        if bias is None
        else nodes.add("Add", [product, nodes.constant(f"{name}.bias", bias)])
    )


def attend(
    nodes: Nodes,
    sizes: Architecture,
    layer: int,
    packed: str,
    rotary: tuple[str, str] | None = None,
) -> str:
    """Return attention over the layer's cache, into which the new keys and values are written.

    `packed` (B, S, …) holds the queries, keys and values of all heads side by side; `rotary` names
    the cosines and sines by which queries and keys are turned.
    """
    past = [f"past_key_{layer}", f"past_value_{layer}"]
    turned = [*rotary, "position_ids"] if rotary else []
    return nodes.add(
        "GroupQueryAttention",
        [packed, "", "", *past, "seqlens_k", "total_sequence_length", *turned],
        outputs=[f"present_key_{layer}", f"present_value_{layer}"],
        domain=MICROSOFT,
        num_heads=sizes.heads,
        kv_num_heads=sizes.cached_heads,
        do_rotary=int(rotary is not None),
    )


def wanted_rows(nodes: Nodes, sizes: Architecture, x: str) -> str:
    """Return those rows (R, width) of x (B, S, width) that logits are wanted of."""
    flat = nodes.add("Reshape", [x, nodes.constant("flat", np.array([-1, sizes.width]))])
    return nodes.add("Gather", [flat, "logit_rows"])
