from trainer.originality.copies import hold_against
from trainer.originality.figures import figures_of
from trainer.originality.index import build_index

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
