import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import Sampling
from backends.onnx_engine.sampling import candidates, next_token, penalise, uniform

SEEDS = st.integers(0, 2**32 - 1)


def random_logits(seed: int, size: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, size).astype(np.float32)


def weights_of(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    return np.exp((logits - logits.max()) / np.float32(temperature))


def choose(logits: np.ndarray, sampling: Sampling, seed: int = 0, position: int = 0) -> int:
    return next_token(logits.copy(), sampling, [], seed, position)


@given(
    SEEDS,
    st.sampled_from([0, 1, 5, 40, 300, 1000]),
    st.sampled_from([0.05, 0.5, 0.9, 0.999, 1.0]),
    st.sampled_from([0.0, 0.02, 0.5]),
)
def test_the_tokens_to_choose_from_are_those_of_transformers(
    seed: int, top_k: int, top_p: float, min_p: float
):
    import torch
    from transformers.generation.logits_process import (
        MinPLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    logits = random_logits(seed)
    scores = torch.from_numpy(logits)[None]
    nothing = torch.zeros((1, 0), dtype=torch.long)
    if top_k:
        scores = TopKLogitsWarper(top_k)(nothing, scores)  # pyright: ignore[reportArgumentType] # any LongTensor will do
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(nothing, scores)  # pyright: ignore[reportArgumentType] # any LongTensor will do
    if min_p > 0:
        scores = MinPLogitsWarper(min_p)(nothing, scores)  # pyright: ignore[reportArgumentType] # any LongTensor will do
    expected = set(torch.isfinite(scores[0]).nonzero().flatten().tolist())
    sampling = Sampling(top_k=top_k, top_p=top_p, min_p=min_p)
    assert set(candidates(weights_of(logits), sampling).tolist()) == expected


def test_a_penalty_is_that_of_transformers():
    import torch
    from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

    logits, seen = random_logits(1), [3, 7, 7, 200]
    expected = RepetitionPenaltyLogitsProcessor(1.3)(
        torch.tensor([seen]),  # pyright: ignore[reportArgumentType] # any LongTensor will do
        torch.from_numpy(logits.copy())[None],  # pyright: ignore[reportArgumentType] # likewise
    )
    penalise(logits, seen, 1.3)
    np.testing.assert_allclose(logits, expected[0].numpy(), rtol=1e-6)


@given(SEEDS)
def test_temperature_0_takes_the_likeliest_token(seed: int):
    logits = random_logits(seed)
    assert choose(logits, Sampling(temperature=0, top_k=5), seed) == logits.argmax()


@given(SEEDS, st.integers(0, 1000))
def test_the_same_seed_and_position_choose_the_same_token(seed: int, position: int):
    sampling = Sampling(temperature=1, top_p=0.9)
    logits = random_logits(7)
    assert choose(logits, sampling, seed, position) == choose(logits, sampling, seed, position)


def test_every_seed_and_every_position_has_a_number_of_its_own():
    numbers = {uniform(seed, position) for seed in range(30) for position in range(30)}
    assert len(numbers) == 900
    assert all(0 <= number < 1 for number in numbers)


def test_any_whole_number_is_a_seed():
    assert uniform(-1, 0) == uniform(2**64 - 1, 0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_chosen_as_often_as_the_tempered_model_says(temperature: float):
    logits, draws = random_logits(3, size=8) / 2, 4000
    sampling = Sampling(temperature=temperature)
    counts = np.bincount([choose(logits, sampling, 1, i) for i in range(draws)], minlength=8)
    weights = weights_of(logits, temperature)
    expected = weights / weights.sum()
    # Four standard deviations of a binomial share; the draws are fixed by the seed.
    allowed = 4 * np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(counts / draws - expected) <= allowed).all()


@given(SEEDS, st.floats(0, 1), st.integers(0, 400), st.floats(0, 1), st.floats(0, 5))
def test_whatever_the_settings_a_token_of_the_vocabulary_is_chosen(
    seed: int, top_p: float, top_k: int, min_p: float, temperature: float
):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    assert 0 <= choose(random_logits(seed), sampling, seed) < 300
