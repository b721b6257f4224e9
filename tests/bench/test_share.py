from contextlib import closing
from dataclasses import replace

import onnxruntime
import pytest

from backends import UserError
from bench import share
from bench.engines.chinwag import Chinwag
from bench.plan import Plan
from bench.random_gpt2 import export


def test_the_shares_of_a_step_lie_between_none_and_all_of_it(plan: Plan, monkeypatch):
    monkeypatch.setattr(share, "read_bandwidth", lambda: 1e12)
    rows = share.measure(replace(plan, new_tokens=200))
    assert [row.streams for row in rows] == [1, 1, 1, share.STREAMS] * len(share.PRECISIONS)
    assert all(0 < row.spread[0] <= row.ratio <= row.spread[1] < 1 for row in rows)


def test_a_step_takes_the_graph_and_what_is_outside(plan: Plan):
    with closing(Chinwag(export(plan.checkpoint, "int8"), slots=2)) as engine:
        steps = share.observe(engine, streams=2, new_tokens=200, seed=1)
    assert steps.rate == pytest.approx(steps.graph_rate * (1 - steps.outside))


def test_too_few_steps_are_no_measurement(plan: Plan):
    with (
        closing(Chinwag(export(plan.checkpoint, "int8"), slots=2)) as engine,
        pytest.raises(UserError, match="too few"),
    ):
        share.observe(engine, streams=1, new_tokens=1, seed=1)


def test_the_clock_is_taken_away_again():
    before = onnxruntime.InferenceSession.run_with_iobinding
    with share.graph_runs():
        assert onnxruntime.InferenceSession.run_with_iobinding is not before
    assert onnxruntime.InferenceSession.run_with_iobinding is before
