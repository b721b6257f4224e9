from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import pytest

from bench import engine
from bench.engines import Engine
from bench.engines.chinwag import Chinwag
from bench.plan import Plan
from bench.random_gpt2 import export, prompts

TEXTS = list(islice(prompts(seed=1), 3))


def open_chinwag(plan: Plan) -> Chinwag:
    return Chinwag(export(plan.checkpoint, "int8"), slots=2)


@pytest.fixture(
    params=[
        open_chinwag,
        engine.open_ctranslate,
        engine.open_transformers,
        engine.open_optimum,
    ],
    ids=lambda opener: opener.__name__.removeprefix("open_"),
)
def side(request: pytest.FixtureRequest, plan: Plan) -> Iterator[Engine]:
    opened = engine.open_if_there(request.param, plan)
    if opened is None:
        pytest.skip("its library is not installed: pip install 'chinwag[bench]'")
    with closing(opened):
        yield opened


@pytest.mark.parametrize("streams", [1, 3])
def test_every_side_writes_as_many_tokens_as_it_is_asked_for(side: Engine, streams: int):
    assert side.write(TEXTS[:streams], new_tokens=9, seed=1) == 9 * streams


def test_there_is_a_row_for_each_precision_side_and_number_of_streams(plan: Plan, monkeypatch):
    def open_another(plan: Plan) -> Engine:
        another = open_chinwag(plan)
        another.name = "another"
        return another

    monkeypatch.setattr(engine, "OTHERS", {engine.open_transformers: 1, open_another: 2})
    rows = engine.measure(plan)
    ours = [f"chinwag {precision}" for precision in engine.PRECISIONS]
    assert [(row.engine, row.against, row.streams) for row in rows] == [
        *((one, other, 1) for one in ours for other in ("transformers generate fp32", "another")),
        *((one, "another", 2) for one in ours),
    ]
    for row in rows:
        assert row.spread[0] <= row.ratio <= row.spread[1]


def test_a_side_of_which_the_library_lacks_is_named_and_left_out(plan: Plan, capsys):
    def missing(_: Plan) -> Engine:
        raise ModuleNotFoundError(name="ctranslate2")

    assert engine.open_if_there(missing, plan) is None
    assert "not measured: ctranslate2 is not installed" in capsys.readouterr().out
