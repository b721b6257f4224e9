import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.windows import Windows

END = 0
SHORT_TEXTS = np.array([END] + [n for k in range(1, 60) for n in (*range(1, 2 + k % 5), END)])


def windows(tokens: np.ndarray = SHORT_TEXTS, length: int = 8, batch: int = 4) -> Windows:
    return Windows(tokens, length, batch, END, seed=1)


def test_a_window_over_short_texts_begins_at_the_start_of_one():
    for step in range(20):
        inputs, _ = windows().batch_at(step)
        assert (inputs[:, 0] == END).all()


@given(step=st.integers(0, 10_000), length=st.integers(1, 40), batch=st.integers(1, 50))
def test_targets_are_the_tokens_that_follow_the_inputs(step: int, length: int, batch: int):
    tokens = np.arange(1, 300)
    inputs, targets = Windows(tokens, length, batch, END, seed=2).batch_at(step)
    assert inputs.shape == targets.shape
    assert inputs.shape[1] == length
    assert (targets == inputs + 1).all()


@given(step=st.integers(0, 1000))
def test_a_batch_depends_on_seed_and_step_only(step: int):
    for one, other in zip(windows().batch_at(step), windows().batch_at(step), strict=True):
        assert (one == other).all()


def test_an_epoch_of_long_text_has_every_window_once_and_the_next_another_order():
    long = windows(np.arange(1, 66), length=8, batch=4)
    assert long.steps_per_epoch == 2
    epochs = [
        np.concatenate([long.batch_at(step)[0][:, 0] for step in (2 * epoch, 2 * epoch + 1)])
        for epoch in range(4)
    ]
    assert all(len(set(starts.tolist())) == 8 for starts in epochs)
    assert len({tuple(starts.tolist()) for starts in epochs}) > 1


def test_validation_reads_all_windows_first_to_last():
    rows = [inputs for inputs, _ in windows(np.arange(1, 100), length=8, batch=5).in_order()]
    assert np.concatenate(rows).ravel().tolist() == list(range(1, 97))


def test_data_smaller_than_a_batch_still_makes_a_step():
    small = windows(np.arange(1, 20), length=8, batch=100)
    assert small.steps_per_epoch == 1
    assert small.batch_at(7)[0].shape == (2, 8)
    assert small.tokens_per_step == 16
