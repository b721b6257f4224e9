import torch

from bench import gpu
from bench.engines.hugging_face import open_compiled
from bench.plan import Plan


def test_without_a_gpu_nothing_is_measured_and_that_is_said(plan: Plan, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.measure(plan) == []
    assert "not measured: no GPU" in capsys.readouterr().out


def test_a_devices_reading_speed_is_measured_in_bytes_a_second():
    assert gpu.read_bandwidth("cpu", size=2**22) > 2**20


def test_the_side_with_a_static_cache_writes_as_many_tokens_as_it_is_asked_for(plan: Plan):
    side = open_compiled(plan.checkpoint, "cpu")
    assert side.write(["abc", "xyz"], new_tokens=5, seed=1) == 10
    side.close()
