from statistics import mean, median

from bench import mixed
from bench.plan import Plan


def test_requests_arrive_one_after_another_and_mostly_stop_early():
    load = mixed.arrivals(seed=1, new_tokens=128)
    assert len(load) == mixed.REQUESTS
    times = [one.after for one in load]
    assert times == sorted(times)
    assert 0.5 < mixed.REQUESTS / mixed.RATE / times[-1] < 2
    lengths = [one.length for one in load]
    assert min(lengths) >= mixed.SHORTEST
    assert max(lengths) <= mixed.LONGEST
    assert median(lengths) < mean(lengths) < mixed.LONGEST / 2
    assert load == mixed.arrivals(seed=1, new_tokens=128)


def test_both_sides_serve_the_whole_load(plan: Plan, monkeypatch):
    monkeypatch.setattr(mixed, "RATE", 1000.0)
    rows = mixed.measure(plan)
    assert rows[-1].against == "time to first token, in steps"
    assert rows[-1].ratio > 0
    assert {row.streams for row in rows} == {mixed.REQUESTS}
    assert len({row.tokens_per_s for row in rows}) == 1
