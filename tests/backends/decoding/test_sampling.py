import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import Sampling
from backends.decoding.draws import draw
from backends.decoding.sampling import DAMAGED, Refuses, Sampler
from backends.decoding.weights import NONE, Floats, Ints

SEEDS = st.integers(0, 2**32 - 1)
VOCABULARY = 700
"""Not a multiple of the blocks in which weights are summed."""


def random_logits(seed: int, size: int = VOCABULARY, spread: float = 3) -> Floats:
    return np.random.default_rng(seed).normal(0, spread, size).astype(np.float32)


def nothing(_row: int, _token: int) -> bool:
    return False


def next_tokens(sampler: Sampler, logits: Floats, refuses: Refuses = nothing) -> Ints:
    """Go one step on with logits (B, vocabulary)."""
    wishes = sampler.wishes(len(logits))
    return sampler.choose(draw(logits.astype(np.float32), wishes), refuses)


def draws(logits: Floats, sampling: Sampling, count: int = 4000, seed: int = 0) -> np.ndarray:
    """Choose `count` times, at as many positions of as many seeds, all independent."""
    width = 200
    sampler = Sampler(width, len(logits), history=count)
    for row in range(width):
        sampler.enter(row, sampling, seed + row)
    chosen = []
    for _ in range(count // width):
        chosen.append(next_tokens(sampler, np.tile(logits, (width, 1))))
        for row in range(width):
            # Not what was written, but the position, goes on.
            sampler.enter(row, sampling, seed + row + width * len(chosen))
    return np.concatenate(chosen)


def choose(logits: Floats, sampling: Sampling, seed: int = 0, **known: list[int]) -> int:
    sampler = Sampler(1, len(logits), history=50)
    sampler.enter(0, sampling, seed, **known)
    return int(next_tokens(sampler, logits[None])[0])


def softmax_after_transformers(logits: Floats, sampling: Sampling) -> np.ndarray:
    import torch
    from transformers.generation.logits_process import (
        LogitsProcessor,
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    scores, unused = torch.from_numpy(logits.copy())[None], torch.zeros((1, 0), dtype=torch.long)
    warpers: list[LogitsProcessor] = [TemperatureLogitsWarper(sampling.temperature)]
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p > 0:
        warpers.append(MinPLogitsWarper(sampling.min_p))
    for warper in warpers:
        scores = warper(unused, scores)  # pyright: ignore[reportArgumentType] # any LongTensor will do
    return scores.double().softmax(dim=1)[0].numpy()


@given(
    SEEDS,
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([0, 1, 5, 40, 300, 1000]),
    st.sampled_from([0.05, 0.5, 0.9, 0.999, 1.0]),
    st.sampled_from([0.0, 0.02, 0.5]),
)
@settings(max_examples=40, deadline=None)
def test_tokens_are_chosen_as_often_as_transformers_filters_say(
    seed: int, temperature: float, top_k: int, top_p: float, min_p: float
):
    logits = random_logits(seed)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    expected = softmax_after_transformers(logits, sampling)
    shares = np.bincount(draws(logits, sampling, seed=seed), minlength=VOCABULARY) / 4000
    assert (expected[shares > 0] > 0).all()
    # Six standard deviations of a binomial share, and at least a few draws.
    allowed = 6 * np.sqrt(expected * (1 - expected) / 4000) + 4 / 4000
    assert (np.abs(shares - expected) <= allowed).all()


@given(SEEDS, st.integers(1, 12))
@settings(deadline=None)
def test_a_rows_token_is_the_same_alone_and_beside_others(seed: int, width: int):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (width, VOCABULARY)).astype(np.float32)
    wishes = [
        Sampling(
            temperature=random.choice([0, 0.7, 1.5]),
            top_k=int(random.choice([0, 3, 50])),
            top_p=random.choice([0.3, 0.95, 1]),
            min_p=random.choice([0, 0.1]),
            repetition_penalty=random.choice([1, 1.2]),
            presence_penalty=random.choice([0, 1.0]),
            logit_bias={int(random.integers(VOCABULARY)): 5.0},
        )
        for _ in range(width)
    ]
    seen = [random.integers(0, VOCABULARY, random.integers(0, 9)).tolist() for _ in range(width)]
    together = Sampler(width + 2, VOCABULARY, history=50)
    for row in range(width):
        together.enter(row, wishes[row], seed + row, seen[row], seen[row][:3])
    chosen = next_tokens(together, logits)
    for row in range(width):
        alone = choose(
            logits[row], wishes[row], seed + row, prompt=seen[row], written=seen[row][:3]
        )
        assert chosen[row] == alone


def test_a_text_that_moves_to_another_row_goes_on_the_same():
    sampling = Sampling(temperature=1, repetition_penalty=1.5, presence_penalty=1, logprobs=1)
    stays, moves = Sampler(4, VOCABULARY, 50), Sampler(4, VOCABULARY, 50)
    for sampler in (stays, moves):
        for row in range(3):
            sampler.enter(row, sampling, 10 + row, [1, 2], [])
    for step in range(20):
        logits = random_logits(step, spread=1)
        expected = next_tokens(stays, np.tile(logits, (3, 1)))
        if step == 5:
            moves.move(2, 0)
        if step < 5:
            next_tokens(moves, np.tile(logits, (3, 1)))
        else:
            assert next_tokens(moves, logits[None])[0] == expected[2]
            assert moves.likelihoods[0] == stays.likelihoods[2]


def test_a_text_that_is_entered_anew_goes_on_where_it_was():
    sampling = Sampling(temperature=1, repetition_penalty=1.5, presence_penalty=1)
    whole, parts = Sampler(1, VOCABULARY, 50), Sampler(1, VOCABULARY, 50)
    whole.enter(0, sampling, 3, [1, 2], [])
    written: list[int] = []
    for step in range(20):
        logits = random_logits(step, spread=1)[None]
        parts.enter(0, sampling, 3, [1, 2], written)
        token = int(next_tokens(whole, logits)[0])
        assert next_tokens(parts, logits)[0] == token
        written.append(token)


def test_the_repetition_penalty_is_that_of_transformers():
    import torch
    from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

    for seed in range(30):
        logits = random_logits(seed)
        seen = np.argsort(-logits)[:5].tolist()  # likely enough to matter
        expected = RepetitionPenaltyLogitsProcessor(1.7)(
            torch.tensor([seen]),  # pyright: ignore[reportArgumentType] # any LongTensor will do
            torch.from_numpy(logits.copy())[None],  # pyright: ignore[reportArgumentType] # likewise
        )
        sampling = Sampling(temperature=0, repetition_penalty=1.7)
        assert choose(logits, sampling, prompt=seen[:2], written=seen[2:]) == expected.argmax()


def test_the_presence_penalty_counts_what_was_written_and_not_the_prompt():
    logits = np.array([1.0, 0.9, 0.0], np.float32)
    sampling = Sampling(temperature=0, presence_penalty=0.5)
    assert choose(logits, sampling, prompt=[0]) == 0
    assert choose(logits, sampling, prompt=[1], written=[0]) == 1
    assert choose(logits, sampling, written=[0, 0, 1, 1]) == 0  # each counts once


def test_penalties_remember_the_newest_tokens():
    sampling = Sampling(temperature=0, repetition_penalty=10)
    logits = np.array([2.0, 1.0, 0.5, 0.1], np.float32)
    sampler = Sampler(1, 4, history=2)
    sampler.enter(0, sampling, 0, [3], [])
    chosen = [int(next_tokens(sampler, logits[None])[0]) for _ in range(6)]
    assert chosen == [0, 1, 2, 0, 1, 2]


def test_a_bias_is_added_to_the_score_and_ids_beyond_the_vocabulary_do_nothing():
    logits = np.array([1.0, 0.0, 0.0], np.float32)
    assert choose(logits, Sampling(temperature=0, logit_bias={2: 1.5, 3: 9, -1: 9})) == 2
    assert choose(logits, Sampling(temperature=0, logit_bias={0: -100})) == 1


@given(SEEDS)
def test_temperature_0_takes_the_likeliest_token(seed: int):
    logits = random_logits(seed)
    assert choose(logits, Sampling(temperature=0, top_k=5, top_p=0.1), seed) == logits.argmax()


@given(SEEDS, st.floats(0, 1), st.integers(0, 900), st.floats(0, 1), st.floats(0, 5))
@settings(deadline=None)
def test_whatever_the_settings_a_token_of_the_vocabulary_is_chosen(
    seed: int, top_p: float, top_k: int, min_p: float, temperature: float
):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    assert 0 <= choose(random_logits(seed), sampling, seed) < VOCABULARY


def test_of_equal_tokens_as_many_as_asked_for_can_be_chosen():
    chosen = draws(np.zeros(VOCABULARY, np.float32), Sampling(temperature=1, top_k=3))
    assert len(set(chosen.tolist())) == 3


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_refused_token_is_never_chosen_and_none_is_where_all_are(temperature: float):
    sampling = Sampling(temperature=temperature, bad_words=("x",))
    for seed in range(30):
        logits = random_logits(seed, 40)
        sampler = Sampler(1, 40, history=5)
        sampler.enter(0, sampling, seed)
        assert next_tokens(sampler, logits[None], lambda _, token: token % 3 > 0)[0] % 3 == 0
        assert next_tokens(sampler, logits[None], lambda _row, _token: True)[0] == NONE


@pytest.mark.parametrize(
    "filters", [{"top_p": 0.5}, {"min_p": 0.5}, {"top_k": 1}, {"top_k": 2, "top_p": 0.1}, {}]
)
def test_filters_are_those_of_what_is_not_refused(filters: dict[str, float]):
    logits = np.log(np.array([0.9, 0.06, 0.02, 0.01, 0.01], np.float32))
    sampling = Sampling(temperature=1, bad_words=("x",), **filters)  # pyright: ignore[reportArgumentType] # numbers
    sampler = Sampler(1, 5, history=5)
    chosen: set[int] = set()
    for seed in range(300):
        sampler.enter(0, sampling, seed)
        chosen |= {int(next_tokens(sampler, logits[None], lambda _, token: token == 0)[0])}
    assert chosen == ({1} if filters else {1, 2, 3, 4})


def test_the_only_token_that_is_not_refused_is_found_without_asking_for_others_again_and_again():
    asked: list[int] = []

    def refuses(_row: int, token: int) -> bool:
        asked.append(token)
        return token != 3

    sampler = Sampler(1, VOCABULARY, history=5)
    sampler.enter(0, Sampling(temperature=1, bad_words=("x",)), seed=1)
    assert next_tokens(sampler, random_logits(1)[None], refuses) == [3]
    assert len(asked) < 1.1 * VOCABULARY


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_with_a_number_that_is_none_is_told_and_others_are_not_touched(
    bad: float, temperature: float
):
    sampling = Sampling(temperature=temperature)
    logits = np.tile(random_logits(0), (3, 1))
    sampler = Sampler(3, VOCABULARY, history=5)
    for row in range(3):
        sampler.enter(row, sampling, 7)
    logits[1, 500] = bad
    first, second, third = next_tokens(sampler, logits)
    assert (first, second) == (third, DAMAGED)
    assert first >= 0


def test_log_probabilities_are_the_models_own():
    logits = random_logits(4)
    sampling = Sampling(temperature=0.5, top_k=2, logit_bias={9: 50}, logprobs=3)
    sampler = Sampler(2, VOCABULARY, history=5)
    sampler.enter(0, Sampling(), 0)
    sampler.enter(1, sampling, 0)
    assert next_tokens(sampler, np.tile(logits, (2, 1)))[1] == 9
    expected = logits - np.log(np.exp(logits.astype(np.float64)).sum())
    assert set(sampler.likelihoods) == {1}
    told = sampler.likelihoods[1]
    assert told.chosen == pytest.approx(expected[9])
    assert [token for token, _ in told.top] == np.argsort(-logits)[:3].tolist()
    assert [value for _, value in told.top] == pytest.approx(np.sort(expected)[:-4:-1])
