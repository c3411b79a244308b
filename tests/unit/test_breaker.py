"""The breaker: failures in a row open it, one answer closes it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from workers.breaker import (
    FIRST_COOLDOWN_S,
    LONGEST_COOLDOWN_S,
    TRIP_AFTER,
    TRIP_AFTER_LOST,
    Breaker,
)


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def opened(breaker: Breaker) -> Breaker:
    for _ in range(TRIP_AFTER):
        breaker.failed()
    return breaker


def test_it_opens_after_three_failures_in_a_row(breaker: Breaker) -> None:
    """The third opens it, and only that one says so."""
    assert [breaker.failed() for _ in range(5)] == [False, False, True, False, False]
    assert breaker.is_open
    assert breaker.wait_s == FIRST_COOLDOWN_S


def test_writes_that_nobody_answers_open_it(breaker: Breaker) -> None:
    """The fifth in a row; connect failures among them count for themselves."""
    told = [breaker.lost(), breaker.failed()]
    told += [breaker.lost() for _ in range(TRIP_AFTER_LOST)]
    assert told == [*[False] * TRIP_AFTER_LOST, True, False]
    assert breaker.wait_s == FIRST_COOLDOWN_S


def test_an_answer_among_lost_writes(breaker: Breaker) -> None:
    """Some of very many get lost: nothing opens."""
    for _ in range(20):
        assert not any(breaker.lost() for _ in range(TRIP_AFTER_LOST - 1))
        breaker.answered()
    assert not breaker.is_open


def test_a_probe_that_is_lost(breaker: Breaker, clock: Clock) -> None:
    """It makes the next pause longer, as one that could not connect does."""
    opened(breaker)
    clock.seconds += 1
    breaker.probe()
    assert not breaker.lost()
    assert breaker.wait_s == 2 * FIRST_COOLDOWN_S


def test_an_answer_between_starts_the_count_again(breaker: Breaker) -> None:
    """Only failures without an answer between them count."""
    breaker.failed()
    breaker.failed()
    assert not breaker.answered()
    assert [breaker.failed() for _ in range(3)] == [False, False, True]


def test_an_answer_closes_it(breaker: Breaker) -> None:
    """It says so once, and the next outage starts with the first cooldown."""
    opened(breaker)
    assert breaker.answered()
    assert not breaker.answered()
    assert not breaker.is_open
    opened(breaker)
    assert breaker.wait_s == FIRST_COOLDOWN_S


def test_probes_that_fail_double_the_cooldown(breaker: Breaker, clock: Clock) -> None:
    """1, 2, 4, 8 and then 15 seconds between probes, no longer."""
    waits = []
    opened(breaker)
    for _ in range(6):
        waits.append(breaker.wait_s)
        clock.seconds += breaker.wait_s
        assert breaker.wait_s == 0
        breaker.probe()
        assert not breaker.failed()
    assert waits == [1, 2, 4, 8, 15, 15]
    assert max(waits) == LONGEST_COOLDOWN_S


def test_a_late_failure_is_not_the_probe_s(breaker: Breaker, clock: Clock) -> None:
    """What was on its way when it opened does not make it longer."""
    opened(breaker)
    clock.seconds += 30
    breaker.failed()
    breaker.probe()
    assert breaker.wait_s == FIRST_COOLDOWN_S


def test_a_probe_that_tells_nothing_is_not_followed_at_once(
    breaker: Breaker, clock: Clock
) -> None:
    """It may have ended as unknown: the next one waits, or each would be lost."""
    opened(breaker)
    clock.seconds += 1
    breaker.probe()
    assert breaker.is_open
    assert breaker.wait_s == FIRST_COOLDOWN_S


def test_another_child_tries(breaker: Breaker, clock: Clock) -> None:
    """Told that it may not, it looks again after the cooldown."""
    opened(breaker)
    clock.seconds += 5
    breaker.postpone()
    assert breaker.wait_s == FIRST_COOLDOWN_S
    assert breaker.is_open
