"""What sampling does with the whole vocabulary, as nodes behind a decoder's logits.

`backends.decoding.draws` says the same in NumPy, and what it is for. A device that computes this
hands over only what belongs to a few tokens: the rows as wide as the vocabulary stay there.

Inputs (R rows, P places, K candidates):
    places                    int64 (R, P), the tokens whose logits are changed; one that comes
                              twice must be changed alike
    biases, penalties, fines  float32 (R, P), what is added, the repetition penalty, what is taken
    temperatures              float32 (R, 1), above 0
    top_p                     float64 (R, 1), above 0, of all weight; infinite: any may be drawn
    min_p                     float32 (R, 1), of the largest weight
    greedy                    bool (R, 1), whether the likeliest token is taken
    random                    float64 (R, 1), from 0 to below 1
    candidates                int64 (1,), K
Outputs:
    logits                    float32 (R, padded vocabulary), changed at the places, and minus
                              infinity behind
    plain                     float32 (R, P), the logits there as they were
    best, best_tokens         float32 and int64 (R, K), the highest logits and whose they are
    weights                   float32 (R, padded vocabulary), softmax(logits / temperatures)
    whole                     float64 (R, 1), the sum of the weights
    tokens                    int64 (R, 1), the likeliest, or one as likely as its weight
    kept                      bool (R, 1), whether it is finite and let through by top-p and min-p
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from backends.decoding.weights import BELOW_ONE, BLOCK, padded
from trainer.nodes import Nodes

INTEGER, DOUBLE = TensorProto.INT64, TensorProto.DOUBLE


def add_sampling(nodes: Nodes, logits: str, vocabulary: int) -> None:
    """Add the nodes behind `logits` (R, vocabulary), float32."""
    # In full: where there are no rows, none of the sizes can be inferred.
    nodes.constant("in_blocks", np.array([0, padded(vocabulary) // BLOCK, BLOCK]))
    _mend(nodes, logits, vocabulary)
    _find_best(nodes)
    cooled = nodes.add("Mul", ["logits", nodes.add("Reciprocal", ["temperatures"])])
    nodes.add("Softmax", [cooled], output="weights")
    _draw(nodes, padded(vocabulary) // BLOCK)
    _judge(nodes)


def inputs() -> list[onnx.ValueInfoProto]:
    """Return the inputs described at the top."""
    tensor = helper.make_tensor_value_info
    return [
        tensor("places", INTEGER, ["R", "P"]),
        *(tensor(name, TensorProto.FLOAT, ["R", "P"]) for name in ("biases", "penalties", "fines")),
        tensor("temperatures", TensorProto.FLOAT, ["R", 1]),
        tensor("top_p", DOUBLE, ["R", 1]),
        tensor("min_p", TensorProto.FLOAT, ["R", 1]),
        tensor("greedy", TensorProto.BOOL, ["R", 1]),
        tensor("random", DOUBLE, ["R", 1]),
        tensor("candidates", INTEGER, [1]),
    ]


def outputs(vocabulary: int) -> list[onnx.ValueInfoProto]:
    """Return the outputs described at the top."""
    tensor = helper.make_tensor_value_info
    return [
        tensor("logits", TensorProto.FLOAT, ["R", padded(vocabulary)]),
        tensor("plain", TensorProto.FLOAT, ["R", "P"]),
        tensor("best", TensorProto.FLOAT, ["R", "K"]),
        tensor("best_tokens", INTEGER, ["R", "K"]),
        tensor("weights", TensorProto.FLOAT, ["R", padded(vocabulary)]),
        tensor("whole", DOUBLE, ["R", 1]),
        tensor("tokens", INTEGER, ["R", 1]),
        tensor("kept", TensorProto.BOOL, ["R", 1]),
    ]


def _mend(nodes: Nodes, logits: str, vocabulary: int) -> None:
    """Change the logits at the places, and fill the rows up."""
    # Float32 in graphs of other numbers, too.
    nodes.constants["nothing"] = np.array(0, np.float32)
    nodes.constants["never"] = np.array(-np.inf, np.float32)
    plain = nodes.add("GatherElements", [logits, "places"], output="plain", axis=1)
    biased = nodes.add("Add", [plain, "biases"])
    lowered = nodes.add("Div", [biased, "penalties"])
    raised = nodes.add("Mul", [biased, "penalties"])
    positive = nodes.add("Greater", [biased, "nothing"])
    mended = nodes.add("Sub", [nodes.add("Where", [positive, lowered, raised]), "fines"])
    # In this order ONNX Runtime changes them where they are.
    changed = nodes.add("ScatterElements", [logits, "places", mended], axis=1)
    behind = nodes.constant("behind", np.array([0, 0, 0, padded(vocabulary) - vocabulary]))
    nodes.add("Pad", [changed, behind, "never"], output="logits")


def _find_best(nodes: Nodes) -> None:
    """Find the highest logits: those of as many blocks, by their highest, hold them all."""
    blocks = _in_blocks(nodes, "logits")
    last = nodes.constant("last_axis", np.array([-1]))
    highest = nodes.add("ReduceMax", [blocks, last], keepdims=0)
    count = nodes.add("Min", ["candidates", nodes.add("Shape", [highest], start=1)])
    nodes.add("TopK", [highest, count], output="tops", outputs=["top_blocks"])
    unsqueezed = nodes.add("Unsqueeze", ["top_blocks", last])
    found = nodes.add("GatherND", [blocks, unsqueezed], batch_dims=1)
    row = nodes.add("Flatten", [found])
    nodes.add("TopK", [row, "candidates"], output="best", outputs=["spots"])
    size = nodes.constant("block", np.array(BLOCK))
    which = nodes.add("GatherElements", ["top_blocks", nodes.add("Div", ["spots", size])], axis=1)
    start = nodes.add("Mul", [which, size])
    nodes.add("Add", [start, nodes.add("Mod", ["spots", size])], output="best_tokens")


def _draw(nodes: Nodes, count: int) -> None:
    """Find the one of `count` blocks, and the token in it, at which the random share is reached."""
    blocks = _in_blocks(nodes, "weights")
    each = _double(nodes, _sum(nodes, blocks))
    reach = _cumulate(nodes, each)
    nodes.add("Gather", [reach, nodes.constant("last", np.array([-1]))], output="whole", axis=1)
    goal = nodes.add("Mul", ["random", "whole"])
    last_block = nodes.constant("last_block", np.array(count - 1))
    block = nodes.add("Min", [_count_up_to(nodes, reach, goal), last_block])
    end, own = (nodes.add("GatherElements", [sums, block], axis=1) for sums in (reach, each))
    # How much of the block is wanted, from 0 to 1.
    beyond = nodes.add("Div", [nodes.add("Sub", [end, goal]), own])
    share = nodes.add("Sub", [nodes.constant("whole_block", np.array(1.0)), beyond])
    below_one = nodes.constant("below_one", np.array(BELOW_ONE))
    share = nodes.add("Min", [share, below_one])
    inner = _cumulate(nodes, _double(nodes, nodes.add("GatherND", [blocks, block], batch_dims=1)))
    wanted = nodes.add("Mul", [share, nodes.add("Gather", [inner, "last"], axis=1)])
    start = nodes.add("Mul", [block, nodes.constant("block", np.array(BLOCK))])
    nodes.add("Add", [start, _count_up_to(nodes, inner, wanted)], output="drawn")


def _judge(nodes: Nodes) -> None:
    """Take the drawn token or the likeliest, and tell whether top-p and min-p let it through."""
    likeliest = nodes.add("Gather", ["best_tokens", nodes.constant("first", np.array([0]))], axis=1)
    nodes.add("Where", ["greedy", likeliest, "drawn"], output="tokens")
    own, largest = (
        nodes.add("GatherElements", ["weights", token], axis=1) for token in ("tokens", likeliest)
    )
    # What is likelier, as multiples of its own weight: a constant bound is fastest to mask by.
    likelier = nodes.add("ThresholdedRelu", [nodes.add("Div", ["weights", own])], alpha=1.0)
    blocks = _double(nodes, _sum(nodes, _in_blocks(nodes, likelier)))
    above = nodes.add("Mul", [_sum(nodes, blocks, keepdims=1), _double(nodes, own)])
    inside = nodes.add("Less", [above, nodes.add("Mul", ["top_p", "whole"])])
    enough = nodes.add("GreaterOrEqual", [own, nodes.add("Mul", ["min_p", largest])])
    nodes.add("And", [inside, enough], output="kept")


def _in_blocks(nodes: Nodes, weights: str) -> str:
    return nodes.add("Reshape", [weights, "in_blocks"])


def _sum(nodes: Nodes, numbers: str, keepdims: int = 0) -> str:
    last = nodes.constant("last_axis", np.array([-1]))
    return nodes.add("ReduceSum", [numbers, last], keepdims=keepdims)


def _double(nodes: Nodes, numbers: str) -> str:
    return nodes.add("Cast", [numbers], to=DOUBLE)


def _cumulate(nodes: Nodes, numbers: str) -> str:
    return nodes.add("CumSum", [numbers, nodes.constant("along_row", np.array(1))])


def _count_up_to(nodes: Nodes, ascending: str, limit: str) -> str:
    """Count in each row (R, N) what is at most its limit (R, 1)."""
    passed = nodes.add("Cast", [nodes.add("LessOrEqual", [ascending, limit])], to=INTEGER)
    return _sum(nodes, passed, keepdims=1)
