from trainer.variety import variety_of


def test_distinct_runs_are_counted_over_all_texts():
    variety = variety_of(["What would you do?", "WHAT would he do"])
    assert variety.texts == 2
    assert variety.mean_words == 4
    assert variety.distinct == {1: round(5 / 8, 4), 2: round(5 / 6, 4), 3: 1.0}


def test_repetition_is_counted_inside_each_text():
    assert variety_of(["a b c d e", "a b c d e"]).repeated == 0
    # Eight runs of four words, of which only the first four are new.
    assert variety_of(["a b c d a b c d a b c", "one two three"]).repeated == 0.5


def test_texts_too_short_for_a_run_repeat_nothing():
    variety = variety_of(["Why?"])
    assert (variety.distinct, variety.repeated) == ({1: 1.0, 2: 1.0, 3: 1.0}, 0.0)
