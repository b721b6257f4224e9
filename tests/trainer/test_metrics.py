import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import UserError
from tests.trainer.runs_on_disk import make_run, write_metrics
from trainer.curves import draw_text, run_curves
from trainer.metrics import read_metrics
from trainer.runs import Run


def test_time_follows_from_tokens_and_speed(tmp_path: Path):
    run = make_run(tmp_path, "a")
    write_metrics(run, [(5.0, None), (4.0, 4.5)])
    rows = read_metrics(run)
    assert [(row.step, row.tokens, row.val_loss) for row in rows] == [
        (10, 1000, None), (20, 2000, 4.5)]  # fmt: skip
    assert [row.minutes for row in rows] == pytest.approx([1.0, 2.0])


def test_a_run_without_metrics_has_no_rows(tmp_path: Path):
    assert read_metrics(make_run(tmp_path, "a")) == []


@pytest.mark.parametrize(
    "line", ['{"step": 20}\n', "null\n", "x\n", '{"tokens": "many", "tokens_per_s": 1}\n', "\0\n"]
)
def test_a_damaged_line_is_a_sentence(line: str, tmp_path: Path):
    run = make_run(tmp_path, "a")
    write_metrics(run, [(5.0, None)])
    with run.metrics.open("a") as file:
        file.write(line)
    with pytest.raises(UserError, match="damaged"):
        read_metrics(run)


NUMBERS = st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers())
RECORDS = st.fixed_dictionaries(
    dict.fromkeys(("step", "tokens", "train_loss", "val_loss", "tokens_per_s"), NUMBERS)
)


@given(st.lists(RECORDS | NUMBERS, min_size=1, max_size=4))
@settings(deadline=None)
def test_any_json_is_rows_that_can_be_drawn_or_a_sentence(records: list[object]):
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        run.metrics.write_text("".join(json.dumps(record) + "\n" for record in records))
        with contextlib.suppress(UserError):
            draw_text(run_curves(read_metrics(run)), "step", width=80)
