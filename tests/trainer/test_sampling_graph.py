from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from backends import Sampling
from backends.decoding.draws import Draws, Wishes, draw, no_wishes
from backends.decoding.sampling import DAMAGED, Sampler
from backends.decoding.weights import Floats
from trainer import sampling_graph
from trainer.nodes import Nodes

VOCABULARY = 700
"""Not a multiple of the blocks in which weights are summed."""

GraphDraw = Callable[[Floats, Wishes], Draws]


@pytest.fixture(scope="module")
def graph_draw() -> GraphDraw:
    """The nodes alone, behind logits that are given."""
    nodes = Nodes()
    sampling_graph.add_sampling(nodes, "given", VOCABULARY)
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, ["R", VOCABULARY])
    graph = helper.make_graph(
        nodes.nodes, "sampling", [given, *sampling_graph.inputs()],
        sampling_graph.outputs(VOCABULARY),
        [numpy_helper.from_array(value, name) for name, value in nodes.constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(logits: Floats, wishes: Wishes) -> Draws:
        inputs = {"given": logits, **wishes.inputs()}
        outputs = session.run(None, {k: np.ascontiguousarray(v) for k, v in inputs.items()})
        by_name: dict[str, Any] = dict(zip(names, outputs, strict=True))
        return Draws(**by_name)

    return run


def random_wish(random: np.random.Generator) -> Sampling:
    return Sampling(
        temperature=random.choice([0, 0.05, 0.7, 1.5]),
        top_k=int(random.choice([0, 3, 50])),
        top_p=random.choice([0.3, 0.95, 1]),
        min_p=random.choice([0, 0.1]),
        repetition_penalty=random.choice([0.5, 1, 1.2, 10]),
        presence_penalty=random.choice([-2.0, 0, 1.0]),
        logit_bias={3: 90.0} if random.integers(2) else {},
        logprobs=2,
    )


@pytest.mark.parametrize("seed", range(60))
def test_the_graph_leads_to_the_tokens_that_numpy_leads_to(seed: int, graph_draw: GraphDraw):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (4, VOCABULARY)).astype(np.float32)
    alone, helped = Sampler(4, VOCABULARY, 50), Sampler(4, VOCABULARY, 50)
    for row in range(4):
        wish, likely = random_wish(random), np.argsort(-logits[row])[:5].tolist()
        for sampler in (alone, helped):
            sampler.enter(row, wish, seed + row, likely, likely[:2])
    for _ in range(3):
        expected = alone.choose(draw(logits.copy(), alone.wishes(4)), lambda *_: False)
        chosen = helped.choose(graph_draw(logits, helped.wishes(4)), lambda *_: False)
        np.testing.assert_array_equal(chosen, expected)
        assert helped.likelihoods == alone.likelihoods


def test_a_rows_numbers_are_the_same_alone_and_beside_others_to_the_last_bit(
    graph_draw: GraphDraw,
):
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (9, VOCABULARY)).astype(np.float32)
    sampler = Sampler(9, VOCABULARY, 50)
    for row in range(9):
        sampler.enter(row, random_wish(random), row, random.integers(0, VOCABULARY, 9).tolist())
    wishes = sampler.wishes(9)
    together = graph_draw(logits, wishes)
    for row in range(9):
        own = {name: value[row : row + 1] for name, value in wishes.inputs().items()}
        alone = graph_draw(
            logits[row : row + 1], Wishes(**{**own, "candidates": wishes.candidates})
        )
        for name, value in vars(alone).items():
            np.testing.assert_array_equal(value[0], getattr(together, name)[row], name)


def test_without_wishes_logits_stay_as_they_are(graph_draw: GraphDraw):
    logits = np.random.default_rng(0).normal(0, 3, (3, VOCABULARY)).astype(np.float32)
    draws = graph_draw(logits, no_wishes(3))
    np.testing.assert_array_equal(draws.logits[np.arange(3)][:, :VOCABULARY], logits)
    np.testing.assert_array_equal(draws.best_tokens[:, 0], logits.argmax(1))


def test_the_highest_logits_are_those_of_a_sort(graph_draw: GraphDraw):
    random = np.random.default_rng(0)
    logits = random.permuted(np.arange(3 * VOCABULARY, dtype=np.float32).reshape(3, -1), axis=1)
    for count in (1, 2, 3, 4, 100, VOCABULARY):
        wishes = Wishes(**{**vars(no_wishes(3)), "candidates": count})
        draws = graph_draw(logits, wishes)
        expected = np.argsort(-logits, axis=1)[:, :count]
        np.testing.assert_array_equal(draws.best_tokens, expected)
        np.testing.assert_array_equal(draws.best, np.take_along_axis(logits, expected, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_number_that_is_none_is_told(bad: float, temperature: float, graph_draw: GraphDraw):
    logits = np.zeros((2, VOCABULARY), np.float32)
    logits[1, 500] = bad
    sampler = Sampler(2, VOCABULARY, 50)
    for row in range(2):
        sampler.enter(row, Sampling(temperature=temperature), 7)
    good, damaged = sampler.choose(graph_draw(logits, sampler.wishes(2)), lambda *_: False)
    assert (good >= 0, damaged) == (True, DAMAGED)
