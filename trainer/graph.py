"""Build GPT-2's serving graph straight from its weights: no tracing, no torch.

One decoder with its key/value cache as inputs and outputs, made of LayerNormalization, MatMul,
FastGelu and ONNX Runtime's GroupQueryAttention, so that past and present can share their memory.

Inputs (B rows, S new tokens a row, C cache capacity, R rows of logits wanted):
    input_ids, position_ids   int64 (B, S)
    seqlens_k                 int32 (B,), cached and new tokens of each row, less one
    total_sequence_length     int32 (), the longest row's cached and new tokens
    logit_rows                int64 (R,), which of the B * S tokens to predict from
    past_key_I, past_value_I  float32 (B, heads, C, head width) for each layer I
Outputs:
    logits                    float32 (R, vocabulary)
    present_key_I, present_value_I, as the past with the new tokens written in
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from backends.model_directory import Architecture, Precision
from trainer.arithmetic import ARITHMETIC, Arithmetic
from trainer.nodes import MICROSOFT, Nodes

OPSET = 21
EXTERNAL_ABOVE = 1_500_000_000
"""Bytes of weights from which they go into a file of their own (protobuf ends at 2 GB)."""

Weights = Mapping[str, NDArray[Any]]
"""GPT-2's tensors by their names in the Hugging Face format, without `transformer.`."""


def build_graph(weights: Weights, sizes: Architecture, precision: Precision) -> onnx.ModelProto:
    """Return the decoder described at the top of this module."""
    nodes, how = Nodes(), ARITHMETIC[precision]
    tokens = how.lookup(nodes, "input_ids", "wte", weights["wte.weight"])
    positions = how.lookup(nodes, "position_ids", "wpe", weights["wpe.weight"])
    x = nodes.add("Add", [tokens, positions])
    for layer in range(sizes.layers):
        x = _block(nodes, how, weights, sizes, layer, x)
    flat = nodes.add("Reshape", [x, nodes.constant("flat", np.array([-1, sizes.width]))])
    rows = nodes.add("Gather", [flat, "logit_rows"])
    last = _normalise(nodes, weights, "ln_f", rows)
    logits = how.scores(nodes, last, "wte", weights["wte.weight"])
    nodes.add("Identity", [logits], output="logits")
    return _model(nodes, sizes)


def save_graph(model: onnx.ModelProto, path: Path, external_above: int = EXTERNAL_ABOVE) -> None:
    """Write the graph; large weights go into a file beside it (`model.onnx.data`)."""
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    onnx.save_model(
        model, path, save_as_external_data=size > external_above, location=f"{path.name}.data"
    )


def _block(
    nodes: Nodes, how: Arithmetic, weights: Weights, sizes: Architecture, layer: int, x: str
) -> str:
    """Attention and a feed-forward network, each on a normalised residual stream."""
    name = f"h.{layer}"
    attention = _attention(nodes, how, weights, sizes, layer, x)
    x = nodes.add("Add", [x, attention])
    inner = _normalise(nodes, weights, f"{name}.ln_2", x)
    wide = how.linear(nodes, inner, f"{name}.mlp.c_fc", weights[f"{name}.mlp.c_fc.weight"])
    bias = nodes.constant(f"{name}.mlp.c_fc.bias", weights[f"{name}.mlp.c_fc.bias"])
    active = nodes.add("FastGelu", [wide, bias], domain=MICROSOFT)
    return nodes.add("Add", [x, _affine(nodes, how, weights, f"{name}.mlp.c_proj", active)])


def _attention(
    nodes: Nodes, how: Arithmetic, weights: Weights, sizes: Architecture, layer: int, x: str
) -> str:
    name = f"h.{layer}"
    inner = _normalise(nodes, weights, f"{name}.ln_1", x)
    packed = _affine(nodes, how, weights, f"{name}.attn.c_attn", inner)
    past = [f"past_key_{layer}", f"past_value_{layer}"]
    mixed = nodes.add(
        "GroupQueryAttention",
        [packed, "", "", *past, "seqlens_k", "total_sequence_length"],
        outputs=[f"present_key_{layer}", f"present_value_{layer}"],
        domain=MICROSOFT,
        num_heads=sizes.heads,
        kv_num_heads=sizes.heads,
        do_rotary=0,
    )
    return _affine(nodes, how, weights, f"{name}.attn.c_proj", mixed)


def _affine(nodes: Nodes, how: Arithmetic, weights: Weights, name: str, x: str) -> str:
    product = how.linear(nodes, x, name, weights[f"{name}.weight"])
    return nodes.add("Add", [product, nodes.constant(f"{name}.bias", weights[f"{name}.bias"])])


def _normalise(nodes: Nodes, weights: Weights, name: str, x: str) -> str:
    scale = nodes.constant(f"{name}.weight", weights[f"{name}.weight"])
    bias = nodes.constant(f"{name}.bias", weights[f"{name}.bias"])
    return nodes.add("LayerNormalization", [x, scale, bias], epsilon=1e-5, axis=-1)


def _model(nodes: Nodes, sizes: Architecture) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes.nodes,
        "gpt2",
        _inputs(sizes),
        _outputs(sizes),
        [numpy_helper.from_array(value, name) for name, value in nodes.constants.items()],
    )
    domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10, producer_name="chinwag")


def _inputs(sizes: Architecture) -> list[onnx.ValueInfoProto]:
    tensor = helper.make_tensor_value_info
    return [
        tensor("input_ids", TensorProto.INT64, ["B", "S"]),
        tensor("position_ids", TensorProto.INT64, ["B", "S"]),
        tensor("seqlens_k", TensorProto.INT32, ["B"]),
        tensor("total_sequence_length", TensorProto.INT32, []),
        tensor("logit_rows", TensorProto.INT64, ["R"]),
        *_cache("past", sizes),
    ]


def _outputs(sizes: Architecture) -> list[onnx.ValueInfoProto]:
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["R", sizes.vocabulary])
    return [logits, *_cache("present", sizes)]


def _cache(which: str, sizes: Architecture) -> list[onnx.ValueInfoProto]:
    shape = ["B", sizes.heads, "C", sizes.head_width]
    return [
        helper.make_tensor_value_info(f"{which}_{what}_{layer}", TensorProto.FLOAT, shape)
        for layer in range(sizes.layers)
        for what in ("key", "value")
    ]
