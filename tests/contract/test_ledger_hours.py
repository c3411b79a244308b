"""Sending hours in the ledger: claim and gate look at people's clocks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dispatcher.errors import LedgerError
from dispatcher.hours import Hours, Rule
from dispatcher.lanes import Lane
from dispatcher.zones import timeline
from tests.bench import TOKEN, Bench, ticket

START = datetime(2027, 3, 10, tzinfo=UTC)
HOUR_MS = 3_600_000


def rule(zone: str) -> Rule:
    return Rule(Hours.parse("09:00-20:00"), frozenset([timeline(zone, START)]))


EAST, WEST = rule("America/New_York"), rule("America/Los_Angeles")


def load(bench: Bench, *lanes: Lane) -> None:
    groups = lanes[-1].end
    bench.put("load-c", groups)
    bench.ledger.put_lanes("load-c", list(lanes))
    assert bench.commit("c", groups, lanes=len(lanes)) == ""
    bench.loaded.append("c")


def at(bench: Bench, text: str) -> None:
    bench.clock.us = int(datetime.fromisoformat(text).timestamp() * 1_000_000)


def test_each_coast_is_served_in_its_own_hours(bench: Bench) -> None:
    """At nine in New York only the east goes; three hours later the west."""
    at(bench, "2027-03-10T09:00:00-05:00")
    load(bench, Lane(0, 2, WEST), Lane(2, 4, EAST))
    assert bench.claimed() == [("c", 2), ("c", 3)]
    assert bench.claim(token="T2").wait_ms == 3 * HOUR_MS
    bench.clock.forward(3 * HOUR_MS)
    assert bench.claimed(token="T2") == [("c", 0), ("c", 1)]


def test_what_closes_first_goes_first(bench: Bench) -> None:
    """At noon in New York both are open, and the east has less time left."""
    at(bench, "2027-03-10T12:00:00-05:00")
    load(bench, Lane(0, 2, WEST), Lane(2, 4, EAST))
    assert bench.claimed(want=3) == [("c", 2), ("c", 3), ("c", 0)]


def test_the_gate_closes_with_the_hours(bench: Bench) -> None:
    """A group claimed in time and gated too late waits for the next morning."""
    at(bench, "2027-03-10T19:59:59-05:00")
    load(bench, Lane(0, 2, EAST))
    assert len(bench.claimed(want=2)) == 2
    assert bench.gates([ticket(0, 1)], token=TOKEN) == [0]
    bench.clock.forward(1000)
    assert bench.gates([ticket(1, 1)], token=TOKEN) == [13 * HOUR_MS]
    bench.settle("back", 1, 1, delay_ms=13 * HOUR_MS)
    assert bench.claim(token="T2").wait_ms == 13 * HOUR_MS
    bench.clock.forward(13 * HOUR_MS)
    assert bench.claimed(token="T2") == [("c", 1)]


def test_the_books_know_lanes(bench: Bench) -> None:
    """A group before its lane's cursor must be in the queue, one behind it not."""
    at(bench, "2027-03-10T09:00:00-05:00")
    load(bench, Lane(0, 3, WEST), Lane(3, 6, EAST))
    assert bench.claimed(want=2) == [("c", 3), ("c", 4)]
    assert [lane.cursor for lane in bench.ledger.lanes(bench.row())] == [0, 5]
    bench.settle("back", 3, 0)
    bench.settle("back", 4, 0)
    assert bench.ledger.due_groups(bench.row()) == {3, 4}


def test_lanes_that_expired_are_told(bench: Bench) -> None:
    """Without them nobody would know when to send."""
    bench.put("load-c", 2)
    with pytest.raises(LedgerError, match="submit again"):
        bench.commit("c", 2, lanes=1)
