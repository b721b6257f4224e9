from dataclasses import dataclass

from backends.http_backend.breaker import FAILURES, PAUSE, Breaker


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def tripped(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        attempt = breaker.begin()
        breaker.failed()
        breaker.end(attempt)
    return breaker


def test_it_opens_after_some_failures_in_a_row():
    breaker = Breaker(Clock())
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.ready
    breaker.succeeded()
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.ready, "a success between them starts the count again"
    breaker.failed()
    assert not breaker.ready
    assert breaker.wait == PAUSE


def test_after_the_pause_one_request_tries_for_all():
    clock = Clock()
    breaker = tripped(clock)
    clock.now += PAUSE
    assert breaker.ready
    breaker.begin()
    assert not breaker.ready
    assert breaker.wait == 0


def test_a_probe_that_is_answered_lets_the_others_in():
    clock = Clock()
    breaker = tripped(clock)
    clock.now += PAUSE
    probe = breaker.begin()
    breaker.answered(probe)
    assert breaker.ready
    breaker.begin()
    assert breaker.ready


def test_a_server_that_answers_and_then_fails_is_left_alone_again_at_once():
    clock = Clock()
    breaker = tripped(clock)
    clock.now += PAUSE
    probe = breaker.begin()
    breaker.answered(probe)
    breaker.failed()
    breaker.end(probe)
    assert not breaker.ready


def test_a_probe_that_fails_begins_another_pause():
    clock = Clock()
    breaker = tripped(clock)
    clock.now += PAUSE
    probe = breaker.begin()
    breaker.failed()
    breaker.end(probe)
    assert (breaker.ready, breaker.wait) == (False, PAUSE)


def test_a_probe_that_is_called_off_makes_room_for_another():
    clock = Clock()
    breaker = tripped(clock)
    clock.now += PAUSE
    breaker.end(breaker.begin())
    assert breaker.ready


def test_a_request_from_before_does_not_end_anothers_probe():
    clock = Clock()
    breaker = Breaker(clock)
    early = breaker.begin()
    for _ in range(FAILURES):
        breaker.failed()
    clock.now += PAUSE
    breaker.begin()
    breaker.answered(early)
    breaker.end(early)
    assert not breaker.ready
