"""What is meant for a GPU runs on the CPU, too, only slowly; compiling is left to the GPU."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from bench.random_gpt2 import Shape
from bench.training_gpu import MEMORY, SIZES, ablation, batches, operations_per_token
from bench.training_recipes import ABLATION, NANOGPT, Recipe, make_step
from bench.training_texts import TITLES, texts
from trainer.windows import Windows

CPU = torch.device("cpu")
SHAPE = Shape(layers=2, heads=2, width=32, context=32, vocabulary=500)
RECIPES = [replace(recipe, compiled=False) for recipe in (*ABLATION, NANOGPT, *MEMORY)]


@pytest.fixture(autouse=True)
def _precision():
    yield
    torch.set_float32_matmul_precision("highest")


def losses(recipe: Recipe, windows: Windows) -> list[float]:
    step = make_step(recipe, SHAPE, CPU)
    return [float(step(windows.batch_at(0))) for _ in range(3)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_learns_and_begins_with_the_loss_of_a_model_that_knows_nothing(recipe: Recipe):
    windows = Windows(texts(400, 1000, SHAPE.vocabulary), 32, 4, 499, seed=0)
    found = losses(recipe, windows)
    assert found[0] == pytest.approx(6.2, abs=0.2)  # ln 500
    assert found == sorted(found, reverse=True)


def test_techniques_that_are_exact_change_no_loss():
    windows = Windows(texts(400, 1000, SHAPE.vocabulary), 32, 4, 499, seed=0)
    fused = Recipe("fp32, fused", fused_attention=True)
    exact = replace(fused, fused_adamw=True, chunked_loss=True, checkpointing=True)
    assert losses(exact, windows) == pytest.approx(losses(fused, windows), rel=1e-4)
    assert losses(fused, windows) == pytest.approx(losses(Recipe("fp32"), windows), rel=1e-4)


def test_titles_in_packed_rows_are_learnt():
    windows = Windows(texts(400, TITLES, SHAPE.vocabulary), 32, 4, 499, seed=0)
    assert windows.batch_at(0).packed
    found = losses(RECIPES[-1], windows)
    assert found == sorted(found, reverse=True)


def test_the_table_holds_each_recipe_against_the_one_before_it():
    rows = ablation(RECIPES[:3], SHAPE, 2, CPU)
    assert [(row.engine, row.against) for row in rows] == [
        ("+ tf32", "fp32"),
        ("+ bf16", "+ tf32"),
    ]


def test_an_ablation_adds_one_technique_at_a_time():
    for one, other in pairwise(ABLATION):
        added = [key for key, value in vars(other).items() if value != getattr(one, key)]
        assert added == ["name", other.name.removeprefix("+ ").replace(" ", "_")]


def test_operations_are_six_a_parameter_and_those_of_attention():
    # 124,439,808 parameters, less positions (786,432), biases and normalisations (121,344)
    matrices = 124_439_808 - 786_432 - 121_344
    assert operations_per_token(SIZES["124M"]) == 6 * matrices + 12 * 12 * 768 * 1024


def test_a_measurement_has_steps_to_warm_up_and_steps_to_time():
    windows = Windows(texts(400, TITLES, SHAPE.vocabulary), 32, 4, 499, seed=0)
    assert len(batches(windows)) == 13
