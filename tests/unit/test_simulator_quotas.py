"""The arithmetic of the account's queue and of the search limit."""

from __future__ import annotations

import pytest

from dispatcher.simulator.quotas import AccountQueue, SearchQuota

#: Steps of (time, units, fits) on a queue drained at 2 a second, 10 deep.
STEPS = {
    "exactly full": [(0, 10, True), (0, 1, False)],
    "one too many": [(0, 11, False), (0, 10, True)],
    "refused units take no room": [(0, 6, True), (0, 5, False), (0, 4, True)],
    "drains steadily": [(0, 10, True), (0.4, 1, False), (0.5, 1, True)],
    "never below empty": [(0, 10, True), (100, 10, True), (100, 1, False)],
    "refusals do not stop the drain": [
        (0, 10, True),
        (0.3, 1, False),
        (0.6, 1, True),
        (0.6, 1, False),
    ],
    "a clock that goes back drains nothing": [
        (10, 10, True),
        (5, 1, False),
        (10.5, 1, True),
    ],
    "nor does it drain twice": [(10, 8, True), (9, 2, True), (10.4, 1, False)],
    "nothing always fits": [(0, 10, True), (0, 0, True)],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_the_queue_step_by_step(steps: list[tuple[float, int, bool]]) -> None:
    """Level, depth and drain are exact."""
    queue = AccountQueue(rate=2, depth=10)
    for now, units, fits in steps:
        assert queue.put(units, now) is fits


def test_the_level_is_what_waits() -> None:
    """Put in, less what was drained since."""
    queue = AccountQueue(rate=4, depth=100)
    queue.put(40, 1000)
    assert [queue.level(1000 + s) for s in (0, 1, 10, 11)] == [40, 36, 0, 0]


def test_searches_are_counted_for_each_address() -> None:
    """One address used up leaves the others alone."""
    quota = SearchQuota(limit=2)
    assert [quota.refused_for("a", 100) for _ in range(3)] == [None, None, 300]
    assert quota.refused_for("b", 100) is None


def test_the_wait_is_until_the_window_ends() -> None:
    """In whole seconds, rounded up, and then the count begins anew."""
    quota = SearchQuota(limit=1)
    assert quota.refused_for("a", 100) is None
    assert quota.refused_for("a", 399.5) == 1
    assert quota.refused_for("a", 400) is None
    assert quota.refused_for("a", 401) == 299
