import re
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import windows
from trainer.windows import IGNORED, Batch, Windows, stretches

END = 0


def tokens_of(sizes: list[int]) -> np.ndarray:
    """Documents of so many tokens, no two tokens alike, with `END` around each."""
    flat, fresh = [END], 1
    for size in sizes:
        flat += [*range(fresh, fresh + size), END]
        fresh += size
    return np.array(flat)


unhurried = settings(deadline=None)
SMAPS = Path("/proc/self/smaps")


def kilobytes_in_memory(path: Path) -> int:
    """How much of a mapped file this process has in memory."""
    found = re.search(rf"{re.escape(str(path))}\n(?:.*\n)*?Rss: +(\d+) kB", SMAPS.read_text())
    assert found
    return int(found[1])


TITLES = [1 + k % 5 for k in range(1, 60)]


def made(sizes: list[int], length: int = 8, batch: int = 4, seed: int = 1) -> Windows:
    return Windows(tokens_of(sizes), length, batch, END, seed)


def rows(batch: Batch) -> list[list[tuple[list[int], list[int]]]]:
    """The stretches of each row, as inputs and targets, read from the positions alone."""
    found = []
    for inputs, targets, positions in zip(
        batch.inputs, batch.targets, batch.positions, strict=True
    ):
        starts = [*np.flatnonzero(positions == 0), len(positions)]
        assert all(positions[a:b].tolist() == list(range(b - a)) for a, b in pairwise(starts))
        real = targets != IGNORED
        found.append(
            [
                (inputs[a:b][real[a:b]].tolist(), targets[a:b][real[a:b]].tolist())
                for a, b in pairwise(starts)
            ]
        )
    return found


sizes_and_shape = st.tuples(
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.integers(1, 24),
    st.integers(1, 9),
    st.integers(0, 99),
)


@unhurried
@given(shape=sizes_and_shape)
def test_every_token_but_the_first_is_a_target_exactly_once_an_epoch(
    shape: tuple[list[int], int, int, int],
):
    sizes, length, batch, seed = shape
    chosen = made(sizes, length, batch, seed)
    for first in (0, chosen.count * 2):  # epochs of batches of one row begin at their multiples
        one = Windows(chosen.tokens, length, 1, END, seed)
        seen = Counter(
            int(target)
            for step in range(first, first + chosen.count)
            for target in one.batch_at(step).targets.ravel()
            if target != IGNORED
        )
        assert seen == Counter(tokens_of(sizes)[1:].tolist())


@unhurried
@given(shape=sizes_and_shape, step=st.integers(0, 10_000))
def test_a_stretch_is_a_document_or_a_part_of_one_longer_than_a_row(
    shape: tuple[list[int], int, int, int], step: int
):
    sizes, length, batch, seed = shape
    documents, flat = [], tokens_of(sizes).tolist()
    ends = [n for n, token in enumerate(flat) if token == END]
    for a, b in pairwise(ends):
        documents.append((flat[a:b], flat[a + 1 : b + 1]))
    short = [pair for pair in documents if len(pair[0]) <= length]
    for row in rows(made(sizes, length, batch, seed).batch_at(step)):
        for inputs, targets in row:
            inside = [
                pair
                for pair in documents
                if len(pair[0]) > length
                and any(
                    (pair[0][n : n + len(inputs)], pair[1][n : n + len(inputs)])
                    == (inputs, targets)
                    for n in range(len(pair[0]))
                )
            ]
            assert (inputs, targets) in short or inside


@unhurried
@given(step=st.integers(0, 1000))
def test_a_batch_depends_on_seed_and_step_only(step: int):
    used = made(TITLES)
    used.batch_at(0)
    for one, other in zip(
        rows(used.batch_at(step)), rows(made(TITLES).batch_at(step)), strict=True
    ):
        assert one == other


def test_neighbours_and_order_change_from_epoch_to_epoch():
    titles = made(TITLES, batch=1)
    epochs = [
        [
            tuple(sorted(targets[0] for _, targets in row))
            for step in range(titles.count)
            for row in rows(titles.batch_at(epoch * titles.count + step))
        ]
        for epoch in range(2)
    ]
    assert epochs[0] != epochs[1]
    assert set(epochs[0]) != set(epochs[1])


def test_long_text_fills_whole_rows_and_is_cut_elsewhere_in_each_epoch():
    text = made([64 * 40 + 20], length=64, batch=1)
    assert text.count == 41
    cuts = []
    for epoch in range(4):
        batches = [text.batch_at(epoch * text.count + n) for n in range(text.count)]
        assert sum(batch.packed for batch in batches) == 0
        cuts.append({int(batch.inputs[0, 0]) for batch in batches})
        assert END in cuts[-1]  # its beginning is always learnt as one
    assert len({tuple(sorted(cut)) for cut in cuts}) > 1


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_batches_are_full_to_the_last_and_go_on_into_the_next_epoch(batch: int):
    titles = made(TITLES, batch=batch)
    assert {len(titles.batch_at(step)) for step in range(3 * titles.steps_per_epoch)} == {batch}
    assert (titles.steps_per_epoch - 1) * batch < titles.count <= titles.steps_per_epoch * batch


def test_data_smaller_than_a_batch_still_makes_a_step():
    small = made([5, 5, 5], length=8, batch=100)
    assert small.batch == small.count == 3
    assert small.steps_per_epoch == 1
    assert small.batch_at(7).count == small.tokens_per_step == 18


def test_validation_reads_every_row_once_and_the_same_each_time():
    titles = made(TITLES)
    read = [row for batch in titles.once() for row in rows(batch)]
    assert read == [row for batch in titles.once() for row in rows(batch)]
    learnt = Counter(target for row in read for _, targets in row for target in targets)
    assert learnt == Counter(tokens_of(TITLES)[1:].tolist())


def test_a_batch_is_divided_by_rows():
    batch = made(TITLES).batch_at(0)
    assert len(batch[1:3]) == 2
    assert batch[:1].count + batch[1:].count == batch.count
    assert batch.packed


def test_documents_alone_come_first_to_last_in_cuts_of_a_row():
    found = [
        (inputs.tolist(), targets.tolist())
        for inputs, targets in stretches(tokens_of([2, 5]), length=4, end=END)
    ]
    assert found == [
        ([0, 1, 2], [1, 2, 0]),
        ([0, 3, 4, 5], [3, 4, 5, 6]),
        ([6, 7], [7, 0]),
    ]


def test_tokens_without_an_end_are_one_document():
    assert [len(inputs) for inputs, _ in stretches(np.arange(1, 12), length=4, end=END)] == [
        4,
        4,
        2,
    ]


def test_the_order_is_numpys_own_permutation_so_that_older_runs_go_on_as_they_began():
    number, seed = 300, 7
    alike = Windows(tokens_of([9] * number), 10, 1, END, seed)
    for epoch in range(2):
        random = np.random.default_rng([seed, epoch])
        documents = random.permutation(number)[random.permutation(number)]
        batches = [alike.batch_at(epoch * number + step) for step in range(number)]
        assert [int(batch.inputs[0, 1]) for batch in batches] == (1 + 9 * documents).tolist()


@unhurried
@given(shape=sizes_and_shape, scanned=st.integers(1, 50), ranked=st.integers(1, 50))
def test_rows_are_the_same_however_much_is_looked_at_together(
    shape: tuple[list[int], int, int, int], scanned: int, ranked: int
):
    whole, (sizes, length, batch, seed) = made(*shape), shape
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "SCANNED", scanned)
        patch.setattr(windows, "RANKED", ranked)
        pieces = made(sizes, length, batch, seed)
        for step in range(3):
            assert rows(pieces.batch_at(step)) == rows(whole.batch_at(step))


def test_a_document_takes_some_thirty_bytes_of_memory_at_the_most(monkeypatch):
    monkeypatch.setattr(windows, "SCANNED", 1 << 17)
    monkeypatch.setattr(windows, "RANKED", 1 << 14)
    number = 300_000
    sizes = np.random.default_rng(0).integers(2, 8, number)
    tokens = np.ones(sizes.sum() + 1, np.uint16)
    tokens[np.cumsum(sizes)] = tokens[0] = END
    tracemalloc.start()
    try:
        many = Windows(tokens, 32, 4, END, 1)
        for step in (0, many.steps_per_epoch):  # the second epoch is arranged beside the first
            many.batch_at(step)
        assert tracemalloc.get_traced_memory()[1] < 35 * number
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not SMAPS.exists(), reason="only Linux tells which pages are in memory")
def test_what_was_read_of_a_memory_map_while_documents_were_counted_is_given_back(tmp_path: Path):
    path = tmp_path / "tokens.npy"
    np.save(path, np.arange(8 << 20, dtype=np.uint16) % 500)
    tokens = np.load(path, mmap_mode="r")
    assert int(tokens.max()) == 499
    assert kilobytes_in_memory(path) > 16_000  # all of it was read
    whole = Windows(tokens, 64, 4, END, 1)
    assert kilobytes_in_memory(path) < 1_000
    assert whole.batch_at(0).count
