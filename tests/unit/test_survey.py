"""The survey among fakes: what it asks in which order, and when; time is the loop's."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from dispatcher.errors import DispatchError
from tests.unit.worker_fakes import FakeProvider, now, run
from workers.reconcile import SEARCH_RATE
from workers.search import (
    FORBIDDEN_S,
    Candidate,
    Found,
    Query,
    Searched,
    Throttled,
    Unavailable,
)
from workers.survey import PATIENCE_S, RATE, ROWS, SHORTEST_S, Stretch, survey

SENDER = "+19195551200"


class Client(FakeProvider):
    """Has messages at certain times and shows so many at once.

    Attributes:
        faults: What the first searches come to instead.
        asked: When each search was made, and for what.
    """

    def __init__(self, times: list[float], most: int = 2, *faults: Searched) -> None:
        super().__init__()
        self.times = times
        self.most = most
        self.faults = list(faults)
        self.asked: list[tuple[float, Query]] = []

    async def search(self, query: Query) -> Searched:
        self.asked.append((now(), query))
        await asyncio.sleep(0)
        if self.faults:
            return self.faults.pop(0)
        hits = [at for at in self.times if query.start <= at <= query.end]
        found = tuple(Candidate(f"m{at}", frozenset({1})) for at in hits[: self.most])
        return Found(found, complete=len(hits) <= self.most)


def surveyed(client: Client, *times: tuple[float, float]) -> list[Stretch]:
    async def go() -> list[Stretch]:
        return [stretch async for stretch in survey(client, SENDER, times)]

    return run(go())


def ids(stretches: list[Stretch]) -> set[str]:
    return {message.message_id for s in stretches for message in s.messages}


def test_one_stretch() -> None:
    """The sender's messages, whoever they are to, in large pages."""
    client = Client([5.0])
    (stretch,) = surveyed(client, (0.0, 10.0))
    assert (ids([stretch]), stretch.complete) == ({"m5.0"}, True)
    ((_, query),) = client.asked
    assert (query.rows, query.members) == (ROWS, None)
    assert "destinationTn" not in query.parameters()


def test_too_many_at_once() -> None:
    """Halves, until each shows all that it has; in order, and none is left out."""
    client = Client([0.0, 1.0, 1.5, 4.0, 9.0, 10.0])
    stretches = surveyed(client, (0.0, 10.0), (10.0, 20.0))
    assert ids(stretches) == {"m0.0", "m1.0", "m1.5", "m4.0", "m9.0", "m10.0"}
    assert all(stretch.complete for stretch in stretches)
    assert stretches[0].start == 0.0
    assert stretches[-1].end == 20.0
    assert all(a.end == b.start for a, b in pairwise(stretches))


def test_too_many_at_one_time() -> None:
    """A stretch that cannot be cut further is given as it is."""
    stretches = surveyed(Client([4.9] * 3), (0.0, 10.0))
    (torn,) = [s for s in stretches if not s.complete]
    assert torn.end - torn.start <= SHORTEST_S


def test_a_provider_that_shows_nothing() -> None:
    """It counts messages and shows none: shorter times would not help."""
    client = Client([], 2, Found(complete=False))
    (stretch,) = surveyed(client, (0.0, 1000.0))
    assert not stretch.complete


def test_its_pace() -> None:
    """Beside the searches of all workers it stays below the provider's limit."""
    client = Client([])
    surveyed(client, *[(float(i), i + 1.0) for i in range(10)])
    assert client.asked[-1][0] == pytest.approx(9 / RATE)
    assert (RATE + SEARCH_RATE) * 300 <= 3500


def test_retry_after_is_obeyed() -> None:
    """However long the provider wants; then it goes on where it was."""
    client = Client([5.0], 2, Throttled(200.0), Throttled(100.0))
    assert ids(surveyed(client, (0.0, 10.0))) == {"m5.0"}
    assert [round(at) for at, _ in client.asked] == [0, 200, 300]


def test_an_outage_is_waited_for() -> None:
    """For a minute; then one line says so."""
    client = Client([5.0], 2, *[Unavailable("500")] * 5)
    assert ids(surveyed(client, (0.0, 10.0))) == {"m5.0"}
    client = Client([], 2, *[Unavailable("timeout")] * 100)
    with pytest.raises(DispatchError, match="does not search: timeout"):
        surveyed(client, (0.0, 10.0))
    assert PATIENCE_S <= client.asked[-1][0] <= PATIENCE_S + 10


@pytest.mark.parametrize(
    "fault", [Unavailable("401", FORBIDDEN_S), Unavailable("400", 0.0)]
)
def test_what_waiting_does_not_mend(fault: Unavailable) -> None:
    """It is told at once."""
    client = Client([], 2, fault)
    with pytest.raises(DispatchError, match=f"does not search: {fault.code}"):
        surveyed(client, (0.0, 10.0))
    assert len(client.asked) == 1
