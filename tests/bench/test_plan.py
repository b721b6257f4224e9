from collections.abc import Sequence

from bench import plan as plans
from bench.plan import Plan, take_turns


class Recorder:
    """A side that notes what it is asked for."""

    def __init__(self, name: str, asked: list[tuple[str, Sequence[str], int]]) -> None:
        self.name = name
        self._asked = asked

    def write(self, prompts: Sequence[str], new_tokens: int, seed: int) -> int:
        self._asked.append((self.name, prompts, new_tokens))
        return len(prompts) * new_tokens

    def close(self) -> None:
        pass


def test_the_sides_take_turns_on_the_same_prompts_and_each_comes_first_in_its_turn(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(plans, "REST", 0)
    asked: list[tuple[str, Sequence[str], int]] = []
    sides = [Recorder(name, asked) for name in "abc"]
    speeds = take_turns(Plan(tmp_path, rounds=3, new_tokens=20), sides, streams=2)
    assert {name: len(rates) for name, rates in speeds.items()} == {"a": 3, "b": 3, "c": 3}
    measured = asked[3:]  # each was warmed up before
    assert "".join(name for name, _, _ in measured) == "abcbcacab"
    rounds = [{tuple(prompts) for _, prompts, _ in measured[i : i + 3]} for i in (0, 3, 6)]
    assert [len(one) for one in rounds] == [1, 1, 1]
    assert len(set.union(*rounds)) == 3
