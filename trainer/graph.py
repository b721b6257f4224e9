"""Build a decoder's serving graph straight from its weights: no tracing, no torch.

One decoder with its key/value cache as inputs and outputs, made around ONNX Runtime's
GroupQueryAttention, so that past and present can share their memory. `gpt2_graph` and `llama_graph`
have what lies between; all families have the same inputs and outputs.

Inputs (B rows, S new tokens a row, C cache capacity, R rows of logits wanted):
    input_ids, position_ids   int64 (B, S)
    seqlens_k                 int32 (B,), cached and new tokens of each row, less one
    total_sequence_length     int32 (), the longest row's cached and new tokens
    logit_rows                int64 (R,), which of the B * S tokens to predict from
    past_key_I, past_value_I  (B, cached heads, C, head width) for each layer I, of the type in
                              which the precision has real numbers: float32, float16 or bfloat16;
                              int8 where there are scales for it
Outputs:
    present_key_I, present_value_I, as the past with the new tokens written in
and those of `sampling_graph`, to which the logits go.
"""

from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import TensorProto, helper, numpy_helper

from backends.model_directory import Architecture, Precision
from trainer import sampling_graph
from trainer.arithmetic import ARITHMETIC, Arithmetic
from trainer.gpt2_graph import gpt2
from trainer.llama_graph import llama
from trainer.nodes import MICROSOFT, Nodes, Weights

OPSET = 21
EXTERNAL_ABOVE = 1_500_000_000
"""Bytes of weights from which they go into a file of their own (protobuf ends at 2 GB)."""

FAMILIES = {"gpt2": gpt2, "llama": llama}


def build_graph(
    weights: Weights,
    sizes: Architecture,
    precision: Precision,
    cache_scales: Weights = MappingProxyType({}),
) -> onnx.ModelProto:
    """Return the decoder described at the top of this module.

    `weights` have their names in the Hugging Face format, without `transformer.` or `model.`. With
    `cache_scales` (see `Nodes`) the cache is in int8.
    """
    return assemble(weights, sizes, ARITHMETIC[precision], cache_scales)


def assemble(
    weights: Weights,
    sizes: Architecture,
    how: Arithmetic,
    cache_scales: Weights = MappingProxyType({}),
) -> onnx.ModelProto:
    """Return the decoder whose matrices are multiplied so."""
    nodes = Nodes(how.real, cache_scales)
    logits = FAMILIES[sizes.family](nodes, how, weights, sizes)
    if how.real != TensorProto.FLOAT:
        logits = nodes.add("Cast", [logits], to=TensorProto.FLOAT)
    sampling_graph.add_sampling(nodes, logits, sizes.vocabulary)
    return _model(nodes, sizes)


def save_graph(model: onnx.ModelProto, path: Path, external_above: int = EXTERNAL_ABOVE) -> None:
    """Write the graph; large weights go into a file beside it (`model.onnx.data`)."""
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    onnx.save_model(
        model, path, save_as_external_data=size > external_above, location=f"{path.name}.data"
    )


def _model(nodes: Nodes, sizes: Architecture) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes.nodes,
        sizes.family,
        _inputs(sizes, nodes.cached),
        [*sampling_graph.outputs(sizes.vocabulary), *_cache("present", sizes, nodes.cached)],
        [numpy_helper.from_array(value, name) for name, value in nodes.constants.items()],
    )
    domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10, producer_name="chinwag")


def _inputs(sizes: Architecture, cached: int) -> list[onnx.ValueInfoProto]:
    tensor = helper.make_tensor_value_info
    return [
        tensor("input_ids", TensorProto.INT64, ["B", "S"]),
        tensor("position_ids", TensorProto.INT64, ["B", "S"]),
        tensor("seqlens_k", TensorProto.INT32, ["B"]),
        tensor("total_sequence_length", TensorProto.INT32, []),
        tensor("logit_rows", TensorProto.INT64, ["R"]),
        *sampling_graph.inputs(),
        *_cache("past", sizes, cached),
    ]


def _cache(which: str, sizes: Architecture, cached: int) -> list[onnx.ValueInfoProto]:
    shape = ["B", sizes.cached_heads, "C", sizes.head_width]
    return [
        helper.make_tensor_value_info(f"{which}_{what}_{layer}", cached, shape)
        for layer in range(sizes.layers)
        for what in ("key", "value")
    ]
