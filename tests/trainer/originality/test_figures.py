import csv
import random
from pathlib import Path

import pytest

from trainer.originality.copies import hold_against
from trainer.originality.figures import figures_of
from trainer.originality.index import build_index

TITLES = Path(__file__).parents[4] / "shared" / "data" / "ask_titles_16000.csv"
TEXTS = ["one two three four five six seven eight nine"]


def test_shares_of_texts_and_of_runs_are_counted():
    index = build_index(TEXTS)
    written = [TEXTS[0], "one two three four FOUR five six seven", "something else", "six seven"]
    figures = figures_of([hold_against(index, text) for text in written])
    assert figures.texts == 4
    assert figures.exact_copies == 0.25
    assert figures.with_run == {4: 0.5, 5: 0.25, 6: 0.25, 8: 0.25}
    # 6 runs of four words in the first text, 5 in the second, none in the others: 8 are copied.
    assert figures.new_runs[4] == round(3 / 11, 4)
    assert figures.new_runs[8] == round(1 / 3, 4)
    assert figures.longest_words == 9
    assert figures.longest_share_median == 0.75


def test_texts_shorter_than_a_run_have_no_copied_run_of_that_length():
    figures = figures_of([hold_against(build_index(TEXTS), "six seven")])
    assert figures.new_runs[4] == 1
    assert figures.longest_share_p95 == 1


@pytest.mark.skipif(not TITLES.is_file(), reason="the titles lie beside the repository only")
def test_titles_of_people_share_as_much_as_was_measured_before():
    """Measured apart from this code, words split likewise: 49, 18.7, 6.6 and 1.5 %."""
    with TITLES.open(encoding="utf-8", newline="") as file:
        titles = [row[0] for row in csv.reader(file)][1:]
    random.Random(0).shuffle(titles)
    index = build_index(titles[1000:])
    people = figures_of([hold_against(index, title) for title in titles[:1000]])
    assert people.with_run == pytest.approx({4: 0.49, 5: 0.187, 6: 0.066, 8: 0.015}, abs=0.03)
    assert people.exact_copies <= 0.005
    assert people.longest_share_median == pytest.approx(0.23, abs=0.03)
