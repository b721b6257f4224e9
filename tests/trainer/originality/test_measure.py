from pathlib import Path

import pytest

from backends import UserError
from trainer.encode import encode
from trainer.models import end_token, train_tokenizer
from trainer.originality.measure import Originality
from trainer.runs import Run

TITLES = [f"What would number {n} do if {n} friends came to dinner?" for n in range(200)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "ask")
    run.training.parent.mkdir(parents=True)
    tokenizer = train_tokenizer(iter(TITLES), 400)
    encode(TITLES, tokenizer, end_token(tokenizer, "fresh:tiny"), run.training, run.validation,
           0.1, 1)  # fmt: skip
    tokenizer.save(str(run.tokenizer))
    return run


def test_a_text_is_held_against_what_the_run_learned_from(run: Run):
    originality = Originality.of(run)
    assert len(originality.documents) == 180
    learned = originality.documents[7]
    assert originality.longest_run(learned) == (11, 1.0)
    copied = originality.copied(f"Say, {learned}")
    assert originality.source(copied) == learned


def test_held_out_texts_of_people_are_the_baseline(run: Run):
    originality = Originality.of(run)
    assert len(originality.held_out) == 20
    assert set(originality.held_out).isdisjoint(originality.documents)
    baseline = originality.baseline
    assert baseline is not None
    assert 0.2 < baseline.median <= baseline.p95 < 1


def test_of_a_large_training_set_a_sample_is_indexed(run: Run):
    whole, sample = Originality.of(run), Originality.of(run, most_tokens=1000)
    assert len(sample.index.words) < len(whole.index.words) / 2


def test_a_run_without_its_data_is_told_in_a_sentence(run: Run):
    run.tokenizer.write_text("{")
    with pytest.raises(UserError, match=r"tokenizer\.json is missing or broken"):
        Originality.of(run)
    run.training.unlink()
    with pytest.raises(UserError, match=r"train\.npy cannot be read as token ids"):
        Originality.of(run)
