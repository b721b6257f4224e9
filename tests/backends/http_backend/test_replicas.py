import pytest
from yarl import URL

from backends.http_backend.breaker import FAILURES, Breaker
from backends.http_backend.errors import ServerError
from backends.http_backend.replicas import Replica, Replicas


def pair() -> tuple[Replicas, Replica, Replica]:
    replicas = Replicas([URL("http://a/v1"), URL("http://b/v1")], lambda: Breaker(lambda: 0.0))
    first = replicas.choose()
    assert first
    second = replicas.choose([first])
    assert second
    return replicas, first, second


def break_down(replica: Replica) -> None:
    for _ in range(FAILURES):
        with pytest.raises(ServerError), replica.request():
            raise ServerError("failed")


def test_the_server_with_the_fewest_requests_is_chosen():
    replicas, first, second = pair()
    with first.request():
        assert replicas.running == 1
        assert replicas.choose() is second
        with second.request(), second.request():
            assert replicas.choose() is first
    assert replicas.running == 0


def test_one_that_failed_is_chosen_only_where_there_is_no_other():
    replicas, first, second = pair()
    with second.request():
        assert replicas.choose([first]) is second
    assert replicas.choose([first, second]) is first


def test_one_that_is_broken_is_not_chosen_and_without_any_there_is_none():
    replicas, first, second = pair()
    break_down(first)
    assert replicas.choose([second]) is second
    break_down(second)
    assert replicas.choose() is None
    assert "Try again in 10 s." in str(replicas.left_alone())


def test_refusals_of_a_server_that_is_well_do_not_break_it():
    replicas, first, _ = pair()
    for _ in range(2 * FAILURES):
        with pytest.raises(ServerError), first.request():
            raise ServerError("refused the request", healthy=True)
    assert replicas.choose() is first


def test_a_request_called_off_is_neither_success_nor_failure():
    _, first, _ = pair()
    for _ in range(2 * FAILURES):
        with pytest.raises(KeyboardInterrupt), first.request():
            raise KeyboardInterrupt
    assert first.breaker.ready
    assert first.running == 0
