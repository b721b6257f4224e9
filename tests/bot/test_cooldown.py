import pytest

from backends import UserError
from bot.cooldown import Cooldowns
from tests.core import request


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_user_waits_out_the_cooldown_in_one_channel_and_not_in_another():
    clock = Clock()
    cooldowns = Cooldowns(clock)
    cooldowns.start(request(), 10)
    cooldowns.start(request(channel="other"), 10)
    clock.now = 9.5
    with pytest.raises(UserError, match=r"wait 1 s"):
        cooldowns.start(request(), 10)
    clock.now = 10
    cooldowns.start(request(), 10)


def test_no_cooldown_is_no_wait():
    cooldowns = Cooldowns(Clock())
    for _ in range(3):
        cooldowns.start(request(), 0)


def test_those_who_need_not_wait_are_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bot.cooldown._SWEEP", 5)
    clock = Clock()
    cooldowns = Cooldowns(clock)
    for number in range(20):
        clock.now = number * 10
        cooldowns.start(request(user=str(number)), 10)
    assert len(vars(cooldowns)["_until"]) <= 5
