from pathlib import Path

import pytest

from backends import UserError
from tests.trainer.runs_on_disk import make_run
from trainer.samples import last_samples, shown, write_samples


def test_the_last_samples_are_those_of_the_last_step(tmp_path: Path):
    run = make_run(tmp_path, "ask")
    assert last_samples(run) == []
    write_samples(run, 10, ["a", "b"])
    write_samples(run, 20, ["c\u2028c", "d"])
    assert last_samples(run) == [{"step": 20, "text": "c\u2028c"}, {"step": 20, "text": "d"}]


def test_a_line_without_a_text_is_a_sentence(tmp_path: Path):
    run = make_run(tmp_path, "ask")
    run.samples.write_text('{"step": 10}\n')
    with pytest.raises(UserError, match="damaged"):
        last_samples(run)


def test_a_sample_of_several_lines_stays_behind_its_mark():
    assert shown("\nROMEO:\nBut soft\n") == "  » ROMEO:\n    But soft"
