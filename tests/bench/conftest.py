"""A tiny random model, made once."""

import pytest

from bench.plan import Plan
from bench.random_gpt2 import SHAPES, make_checkpoint


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan so small that it takes no time. What the engines make lies beside its checkpoint."""
    checkpoint = make_checkpoint(tmp_path_factory.mktemp("bench") / "checkpoint", SHAPES["tiny"])
    return Plan(checkpoint, streams=(1, 2), rounds=2, new_tokens=12)
