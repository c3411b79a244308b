"""Claim: what is reserved, in which order, how much, and when not."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.calls import LEASE_MS, Rates
from dispatcher.ledger.keys import key
from tests.bench import DAWN_US, FREE, TOKEN, Bench, ticket

NOW_MS = DAWN_US // 1000


def test_fresh_groups_in_order(bench: Bench) -> None:
    """The cursor moves on by what was taken; no group is given twice."""
    bench.load(groups=5)
    assert bench.claimed(2) == [("c", 0), ("c", 1)]
    assert bench.claimed(2, token="T2") == [("c", 2), ("c", 3)]
    assert bench.claimed(2) == [("c", 4)]
    assert bench.claimed(2) == []
    assert bench.counts() == {"claimed": 5}


def test_what_a_claim_tells(bench: Bench) -> None:
    """Load, serial, attempts and crashes come along: no second question is needed."""
    bench.sent()
    bench.settle("retry", spent=1)
    (claimed,) = bench.claim().groups
    assert (claimed.id, claimed.load, claimed.group) == ("c", "load-c", 0)
    assert (claimed.serial, claimed.attempts, claimed.crashes) == (1, 1, 0)


def test_token_and_lease(bench: Bench) -> None:
    """The record carries the token, and the token has a lease."""
    bench.load(groups=1)
    bench.claim(token="mine")
    assert bench.record().tail == "mine"
    assert bench.redis.zscore(key("leases"), "mine") == NOW_MS + LEASE_MS
    assert bench.redis.smembers(key("claim", "mine")) == {b"c|0"}


def test_nothing_to_claim_leaves_nothing(bench: Bench) -> None:
    """No lease for an empty claim."""
    assert bench.claim().groups == []
    assert bench.redis.keys() == []


def test_handed_back_groups_come_first(bench: Bench) -> None:
    """What is due for retry goes before what is fresh, by its due time."""
    bench.load(groups=6)
    bench.claim(3)
    for group, delay_ms in ((0, 3000), (1, 1000), (2, 9000)):
        bench.settle("back", group, 0, delay_ms=delay_ms)
    bench.clock.forward(3000)
    assert bench.claimed(4) == [("c", 1), ("c", 0), ("c", 3), ("c", 4)]
    bench.clock.forward(6000)
    assert bench.claimed(4) == [("c", 2), ("c", 5)]


def test_not_before_it_is_due(bench: Bench) -> None:
    """A group handed back with a delay is told as the time to wait, to the ms."""
    bench.load(groups=1)
    bench.claim()
    bench.settle("back", serial=0, delay_ms=1500)
    assert bench.claim().wait_ms == 1500
    bench.clock.forward(1499)
    assert bench.claim().wait_ms == 1
    bench.clock.forward(1)
    assert bench.claimed() == [("c", 0)]


@pytest.mark.parametrize("want", [1, 7, 128, 1000])
def test_never_more_than_wanted(bench: Bench, want: int) -> None:
    """At most so many groups, however many there are; a thousand fit in one call."""
    bench.checked = False
    bench.load(groups=1100)
    assert len(bench.claimed(want)) == want
    bench.check()


@pytest.mark.parametrize(
    ("rates", "pace", "expected"),
    [
        (Rates(), 0, 50),
        (Rates(account=1), 0, 1),
        (Rates(account=40), 0, 1),
        (Rates(account=80), 0, 2),
        (Rates(account=119.9), 0, 2),
        (Rates(account=400), 0, 10),
        (Rates(account=400, sender=80), 0, 2),
        (Rates(account=400, sender=80), 0.5, 1),
        (Rates(sender=400), 80, 2),
        (Rates(account=1e6), 0, 50),
    ],
)
def test_a_quarter_second_s_worth(
    bench: Bench, rates: Rates, pace: float, expected: int
) -> None:
    """What the tightest limit lets through in a quarter second, but at least one."""
    bench.load(groups=60, pace=pace)
    assert len(bench.claimed(50, rates=rates)) == expected


def test_a_quarter_second_s_worth_in_all(bench: Bench) -> None:
    """Many campaigns share the account's worth: the rest would come back unsent."""
    for number in range(20):
        bench.load(f"c{number:02}", 3)
    claimed = bench.claimed(64, rates=Rates(account=200))
    assert claimed == [("c00", 0), ("c00", 1), ("c00", 2), ("c01", 0), ("c01", 1)]


def test_each_pace_has_its_own_worth(bench: Bench) -> None:
    """A campaign at its pace leaves the account's room to the others."""
    bench.load("a-slow", 9, pace=1)
    bench.load("b-free", 9)
    claimed = bench.claimed(64, rates=Rates(account=160))
    assert claimed == [("a-slow", 0), ("b-free", 0), ("b-free", 1), ("b-free", 2)]


@pytest.mark.parametrize(
    ("rates", "pace", "waiting", "expected"),
    [
        (FREE, 200, 0, 5),
        (FREE, 200, 4, 1),
        (FREE, 200, 5, 0),
        (FREE, 1, 1, 0),
        (Rates(sender=200), 0, 4, 1),
        (Rates(sender=1), 0, 1, 0),
        (Rates(account=200), 0, 5, 5),
        (FREE, 0, 50, 9),
    ],
)
def test_what_waits_at_the_gate_takes_up_room(
    bench: Bench, rates: Rates, pace: float, waiting: int, expected: int
) -> None:
    """Of a campaign's pace and its sender's rate; of the account's the child knows."""
    bench.load(groups=9, pace=pace)
    reply = bench.claim(50, rates=rates, at_gate={"c": waiting})
    assert len(reply.groups) == expected
    # The child does not ask again at once: what is due waits for its own.
    assert reply.wait_ms == (0 if expected else 50)


def test_what_waits_leaves_the_others_their_room(bench: Bench) -> None:
    """Another campaign gets the slots that its groups would only wait in."""
    bench.load("a-slow", 9, pace=1)
    bench.load("b-free", 9)
    reply = bench.claim(50, at_gate={"a-slow": 1})
    assert {claimed.id for claimed in reply.groups} == {"b-free"}


def in_debt(bench: Bench, rates: Rates, pace: float = 0) -> None:
    bench.load(groups=9, pace=pace)
    bench.claim(1, rates=rates)
    assert bench.gate(rates=rates) == 0


@pytest.mark.parametrize(
    ("rates", "pace", "wait_ms"),
    [
        (Rates(account=1), 0, 9750),
        (Rates(account=100), 0, 0),
        (Rates(account=20), 0, 250),
        (Rates(sender=10), 0, 750),
        (Rates(account=1000, sender=10), 0, 750),
        (Rates(), 4, 2250),
        (Rates(account=1000), 0.1, 99_750),
    ],
)
def test_debt(bench: Bench, rates: Rates, pace: float, wait_ms: int) -> None:
    """While a bucket is in debt nothing is reserved, and the wait is told."""
    in_debt(bench, rates, pace)
    reply = bench.claim(5, rates=rates)
    assert (bool(reply.groups), reply.wait_ms) == (not wait_ms, wait_ms)
    bench.clock.forward(wait_ms)
    assert bench.claim(5, rates=rates).groups


def test_debt_of_one_campaign_is_its_own(bench: Bench) -> None:
    """A campaign behind its pace does not hold up another."""
    in_debt(bench, Rates(), pace=1)
    bench.load("d", 2)
    assert bench.claimed(1) == [("d", 0)]


def test_throttled(bench: Bench) -> None:
    """While the account pauses for a 429 nobody claims."""
    bench.load(groups=2)
    assert bench.run(calls.throttle(2.0)) == 2000
    assert bench.claim().wait_ms == 2000
    bench.clock.forward(1999)
    assert bench.claim().groups == []
    bench.clock.forward(1)
    assert len(bench.claim().groups) == 2


def test_scheduled(bench: Bench) -> None:
    """A scheduled campaign begins on time, to the millisecond, and not before."""
    bench.load(starts_at=NOW_MS + 60_000)
    assert bench.campaign() == "scheduled"
    assert bench.claim().wait_ms == 60_000
    bench.clock.forward(59_999)
    assert bench.claim().groups == []
    bench.clock.forward(1)
    assert len(bench.claim().groups) == 3
    assert bench.campaign() == "running"


def test_expired(bench: Bench) -> None:
    """At its end a campaign is cancelled; what was sent stays as it is."""
    bench.load(groups=4, expires_at=NOW_MS + 1000)
    bench.claim(2)
    assert bench.gate(0) == 0
    bench.settle("accepted", detail="m")
    bench.settle("back", 1, 0)
    bench.clock.forward(1000)
    assert bench.claim().groups == []
    assert bench.campaign() == "cancelled(expired)"
    assert bench.counts() == {"accepted": 1, "cancelled": 3}
    assert not bench.redis.exists(key("due", "load-c"))


@pytest.mark.parametrize("command", ["pause", "cancel"])
def test_stopped_campaigns_are_not_claimed(bench: Bench, command: str) -> None:
    """Nothing of a paused or cancelled campaign, and nothing to wait for."""
    bench.load()
    bench.claim(1)
    bench.control(command, "by hand")  # type: ignore[arg-type]
    reply = bench.claim()
    assert (reply.groups, reply.wait_ms) == ([], None)


def test_settled_before_its_turn(bench: Bench) -> None:
    """Late proof for a group the cursor has not reached: it is not claimed again."""
    bench.load(groups=3)
    assert bench.settle("accepted", 1, 1, "m1", token="") == 1
    assert bench.claimed(1) == [("c", 0)]
    assert bench.claimed(1) == []
    assert bench.claimed(1) == [("c", 2)]
    assert bench.record(1).tail == "m1"


def test_far_down_a_long_list(bench: Bench) -> None:
    """Large numbers stay whole: a cursor in the millions, a time years ahead."""
    bench.checked = False
    bench.load(groups=1)
    bench.clock.us = 4_102_444_799_999_999
    end = 99_999_999
    values = {"groups": end, "pending": 3, "cursor": end - 3, "served": 9e11}
    bench.redis.hset(key("campaign", "c"), mapping=values)
    assert bench.claimed() == [("c", end - 3), ("c", end - 2), ("c", end - 1)]
    chunk = (end - 1) // 128
    assert bench.redis.hexists(key("records", "load-c", chunk), str(end - 1))
    item = ticket(end - 1)
    assert bench.gates([item]) == [0]
    row = bench.row()
    assert (row.cursor, row.started_at) == (end, 4_102_444_799_999)
    assert bench.redis.hget(key("campaign", "c"), "served") == b"900000000030"
    assert bench.redis.zscore(key("leases"), TOKEN) == 4_102_444_799_999 + LEASE_MS
