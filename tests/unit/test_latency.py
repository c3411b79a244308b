"""How long answers take: counted by bucket, added up in the ledger, read cumulated."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from dispatcher.ledger.latency import BOUNDS_S, Latencies, histograms
from tests.unit.canned import MESSAGE, TAKEN, Provider, client, run
from workers.connection import NotWritten

if TYPE_CHECKING:
    from tests.unit.canned import Reply


def added(*taken: dict[str, int]) -> dict[bytes, bytes]:
    """The ledger's hash after these were added."""
    total = sum(map(Counter, taken), Counter[str]())
    return {name.encode(): str(n).encode() for name, n in total.items()}


def test_buckets() -> None:
    """A bound belongs to its own bucket; what is longer than all is in the last."""
    seen = Latencies()
    for seconds in (0.01, 0.0101, 0.08, 25.0):
        seen.observe("accepted", seconds)
    found = histograms(added(seen.take()))["accepted"]
    assert [found.counts[b] for b in (0.01, 0.025, 0.05, 0.1, 20.0)] == [1, 2, 2, 3, 3]
    assert found.counts[math.inf] == 4
    assert found.seconds == pytest.approx(25.1001)


def test_what_is_taken_is_forgotten() -> None:
    """Or it would be added again."""
    seen = Latencies()
    seen.observe("accepted", 1.0)
    assert seen.take()
    assert seen.take() == {}


def test_children_add_up() -> None:
    """Two children's sends are one histogram, and outcomes keep apart."""
    one, two = Latencies(), Latencies()
    one.observe("accepted", 0.02)
    two.observe("accepted", 0.02)
    two.observe("throttled", 0.02)
    found = histograms(added(one.take(), two.take()))
    assert {word: h.counts[math.inf] for word, h in found.items()} == {
        "accepted": 2,
        "throttled": 1,
    }


def test_bounds_of_another_version() -> None:
    """A bucket that is none of ours counts in every wider one."""
    found = histograms({b"accepted|0.3": b"5", b"accepted|us": b"1500000"})["accepted"]
    assert (found.counts[0.25], found.counts[0.5], found.seconds) == (0, 5, 1.5)


def test_an_empty_ledger() -> None:
    """No sends, no histogram."""
    assert histograms({}) == {}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (TAKEN, "accepted"),
        (httpx.Response(400, json={"type": "bad"}), "refused"),
        (httpx.Response(429), "throttled"),
        (httpx.ReadTimeout("x"), "unknown"),
        (NotWritten("x"), None),
        (httpx.ConnectError("x"), None),
    ],
)
def test_what_the_client_counts(reply: Reply, outcome: str | None) -> None:
    """Every send that was written, by how it ended; none that was not."""
    bandwidth = client(Provider(reply))
    run(bandwidth.send(MESSAGE))
    found = histograms(added(bandwidth.latencies.take()))
    assert list(found) == ([outcome] if outcome else [])


class Clock:
    """In the place of `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Slow(Provider):
    """Takes 80 ms to answer."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(TAKEN)
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        self._clock.now += 0.08
        return answer


def test_the_time_begins_with_the_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the permit is ours; the answer's time is the provider's."""
    clock = Clock()
    monkeypatch.setattr("workers.bandwidth.time", clock)

    async def permit() -> None:
        clock.now += 60

    bandwidth = client(Slow(clock))
    run(bandwidth.send(MESSAGE, permit))
    found = histograms(added(bandwidth.latencies.take()))["accepted"]
    assert found.seconds == pytest.approx(0.08)


def test_bounds_rise() -> None:
    """Else a send would be counted in the wrong one."""
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))
