from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.runs_on_disk import make_run
from trainer.originality.measure import Originality
from trainer.samples import last_samples, shown, with_copied, write_samples


def test_the_last_samples_are_those_of_the_last_step(tmp_path: Path):
    run = make_run(tmp_path, "ask")
    assert last_samples(run) == []
    write_samples(run, [{"step": 10, "text": text} for text in "ab"])
    last = [{"step": 20, "text": text} for text in ("c\u2028c", "d")]
    write_samples(run, last)
    assert last_samples(run) == last


def test_a_line_without_a_text_is_a_sentence(tmp_path: Path):
    run = make_run(tmp_path, "ask")
    run.samples.write_text('{"step": 10}\n')
    with pytest.raises(UserError, match="damaged"):
        last_samples(run)


def test_a_sample_of_several_lines_stays_behind_its_mark():
    assert shown({"text": "\nROMEO:\nBut soft\n"}) == "  » ROMEO:\n    But soft"


def test_a_copied_run_is_shown_beside_what_people_write():
    learned = ["What would you do with a million dollars?", "How do you make the best coffee?"]
    held_out = ["How do you make a good tea at home?"]
    sample = with_copied({"text": "Why would you do with a dog?"}, Originality(learned, held_out))
    assert sample["copied_words"] == 5
    assert shown(sample) == (
        "  » Why would you do with a dog?  (copied: 5 words in a row, 71 %; people: 44 %)"
    )
    alone = with_copied({"text": "Why would you do it?"}, Originality(learned, []))
    assert shown(alone).endswith("(copied: 3 words in a row, 60 %)")
