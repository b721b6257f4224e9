from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import pytest

from bench.plan import Plan
from bench.random_gpt2 import prompts

pytest.importorskip("ctranslate2", reason="it is not installed: pip install 'chinwag[bench]'")

from bench.engines.ctranslate import CTranslate


@pytest.fixture
def generator(plan: Plan) -> Iterator[CTranslate]:
    with closing(CTranslate(plan.checkpoint)) as opened:
        yield opened


def test_each_text_of_a_batch_stops_at_its_own_length(generator: CTranslate):
    texts = list(islice(prompts(seed=2), 4))
    assert generator.write_up_to(texts, [5, 1, 12, 7]) == 25
