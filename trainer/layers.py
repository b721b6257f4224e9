"""The parts that decoder graphs of all families share."""

from typing import Any

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
    parts = [f"key_{layer}", f"value_{layer}"]
    turned = [*rotary, "position_ids"] if rotary else [""] * 3
    inputs = [packed, "", "", *(f"past_{part}" for part in parts)]
    inputs += ["seqlens_k", "total_sequence_length", *turned]
    quantised: dict[str, Any] = {}
    if nodes.cache_scales:
        scales = [nodes.constant(f"{part}.scale", nodes.cache_scales[part]) for part in parts]
        inputs += ["", "", *scales]
        quantised = {f"{which}_quant_type": "PER_CHANNEL" for which in "kv"}
        quantised["kv_cache_bit_width"] = 8
    return nodes.add(
        "GroupQueryAttention",
        inputs,
        outputs=[f"present_{part}" for part in parts],
        domain=MICROSOFT,
        num_heads=sizes.heads,
        kv_num_heads=sizes.cached_heads,
        do_rotary=int(rotary is not None),
        **quantised,
    )


def keep_wanted(nodes: Nodes, x: str) -> str:
    """Return those rows (R, width) of x (B, S, width) that logits are wanted of.

    From here on, only these flow through the graph.
    """
    nodes.rows = "logit_rows"
    return nodes.add("Gather", [nodes.add("Flatten", [x], axis=2), nodes.rows])
