import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backends.decoding.weights import BLOCK, NONE, padded, pick, running_sums

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(1, 10_000))
def test_a_row_has_a_whole_number_of_blocks_and_no_block_too_many(vocabulary: int):
    assert padded(vocabulary) % BLOCK == 0
    assert 0 <= padded(vocabulary) - vocabulary < BLOCK


@given(SEEDS, st.integers(0, 3 * BLOCK), st.floats(0, 1, exclude_max=True))
def test_only_tokens_with_a_weight_are_picked(seed: int, count: int, chance: float):
    random = np.random.default_rng(seed)
    weights = np.zeros((2, 3 * BLOCK), np.float32)
    chosen = random.permutation(3 * BLOCK)[:count]
    weights[1, chosen] = random.random(count).astype(np.float32) ** 20
    token = pick(weights, running_sums(weights), np.array([chance, chance]))[1]
    assert token == NONE if not weights.any() else weights[1, token] > 0
