import pytest

from backends import ModelSpec, Prompt, Sampling
from backends.onnx_engine.backend import open_backend
from bench import soak
from bench.plan import Plan
from bench.random_gpt2 import export


def test_a_short_soak_passes_and_every_way_of_reading_is_taken(capsys):
    assert soak.soak(requests=120, seed=1) == []
    out = capsys.readouterr().out
    for way in ("read", "repeated", "read slowly", "closed", "cancelled", "left"):
        assert f" {way}" in out
    assert "from request 60 to 120" in out


async def test_a_slot_that_stays_held_is_lost(plan: Plan, monkeypatch):
    monkeypatch.setattr(soak, "PATIENCE", 0.1)
    model = export(plan.checkpoint, "int8")
    backend = await open_backend(ModelSpec("soak", "onnx", model, {"slots": soak.SLOTS}))
    stream = backend.generate(Prompt("held", Sampling(max_tokens=100_000)))
    await anext(stream)
    (fault,) = await soak.lost_slots(backend)
    assert "slots are held though nobody reads" in fault
    await stream.aclose()
    assert await soak.lost_slots(backend) == []
    await backend.aclose()


async def test_a_slot_that_cannot_be_used_is_lost(plan: Plan, monkeypatch):
    monkeypatch.setattr(soak, "PATIENCE", 0.5)
    model = export(plan.checkpoint, "int8")
    backend = await open_backend(ModelSpec("soak", "onnx", model, {"slots": soak.SLOTS - 1}))
    assert await soak.lost_slots(backend) == [
        f"only {soak.SLOTS - 1} of {soak.SLOTS} slots can be used"
    ]
    await backend.aclose()


@pytest.mark.parametrize(
    ("memory", "grown"),
    [
        ([100, 900, *[1000] * 20], 0),
        ([100, 900, *range(1000, 1020)], 15),
        ([100, 900, *range(1020, 1000, -1)], -15),
    ],
)
def test_memory_counts_from_where_it_has_settled(memory, grown):
    assert soak.growth(memory, settled=0.1) == grown
