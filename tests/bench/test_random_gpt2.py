from itertools import islice

import pytest
from tokenizers import Tokenizer

from bench.plan import Plan
from bench.random_gpt2 import SHAPES, Shape, certainty, make_checkpoint, prompts


def test_a_decided_model_is_surer_of_its_next_token_than_a_flat_one(tmp_path):
    shape = Shape(layers=2, heads=2, width=64, context=128, vocabulary=5000)
    decided = certainty(make_checkpoint(tmp_path / "decided", shape), tokens=16)
    flat = certainty(make_checkpoint(tmp_path / "flat", shape, flat=True), tokens=16)
    assert decided[0] < flat[0] - 1
    assert decided[1] < flat[1] / 2
    assert flat[0] == pytest.approx(8.5, abs=0.2)  # ln 5000: anything may come


def test_a_prompt_is_a_token_a_character_and_hardly_two_begin_alike(plan: Plan):
    tokenizer = Tokenizer.from_file(str(plan.checkpoint / "tokenizer.json"))
    texts = list(islice(prompts(seed=1), 50))
    assert {len(tokenizer.encode(text).ids) for text in texts} == {26}
    assert len({text[:4] for text in texts}) > 45
    assert texts == list(islice(prompts(seed=1), 50))


def test_the_shapes_of_the_command_line_are_those_that_there_are():
    from bench import __main__ as command

    assert tuple(SHAPES) == command.SHAPES
