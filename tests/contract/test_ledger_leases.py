"""Leases: what dead workers held comes back, once, and never as something it is not."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.calls import HEARTBEAT_MS, LEASE_MS, Lapsed, Rates
from dispatcher.ledger.keys import key
from tests.bench import LAPSE_MS, Bench


def died(bench: Bench) -> None:
    """Whoever held something is dead, and found so."""
    bench.clock.forward(LAPSE_MS)
    bench.lapse()


def test_before_and_behind_the_gate(bench: Bench) -> None:
    """Never gated: back. Gated: unknown, it may have been sent. Settled: as it is."""
    bench.load(groups=3)
    bench.claim()
    bench.gate(1)
    bench.gate(2)
    bench.settle("accepted", 2, detail="m")
    bench.clock.forward(LEASE_MS - 1)
    assert bench.lapse() == Lapsed(0, 0, 0, more=False)
    bench.clock.forward(1)
    assert bench.lapse() == Lapsed(1, 1, 0, more=False)
    assert [bench.state(group) for group in range(3)] == [
        *("pending", "unknown", "accepted"),
    ]
    assert bench.record(1).tail == "worker lost"
    assert bench.lapse() == Lapsed(0, 0, 0, more=False)


def test_a_tried_group_returns_to_retry(bench: Bench) -> None:
    """A group with a serial behind it goes back to where it came from."""
    bench.sent()
    bench.settle("retry", detail="500", spent=1)
    bench.claim()
    died(bench)
    assert bench.state() == "retry"
    assert bench.record().attempts == 1


def test_renewed(bench: Bench) -> None:
    """A living child keeps its claims for as long as it says so."""
    bench.load(groups=1)
    bench.claim()
    for _ in range(5):
        bench.clock.forward(LEASE_MS - 1)
        bench.run(calls.renew("child", ["T1", "unheard-of"], in_shift=True))
        assert bench.lapse().returned == 0
    assert bench.redis.zscore(key("leases"), "unheard-of") is None
    bench.clock.forward(LEASE_MS)
    assert bench.lapse().returned == 1


def test_renewed_too_late(bench: Bench) -> None:
    """A lease that lapsed gives nothing back: the gate refuses its groups."""
    bench.load(groups=1)
    bench.claim()
    died(bench)
    bench.run(calls.renew("child", ["T1"], in_shift=True))
    assert bench.gate() == calls.Refusal.LOST
    assert bench.claimed(token="T2") == [("c", 0)]
    assert bench.gate(serial=2) == calls.Refusal.LOST
    assert bench.gate(serial=2, token="T2") == 0


def test_a_late_answer_after_the_lapse(bench: Bench) -> None:
    """The worker was only slow: its true answer settles the unknown group."""
    bench.sent()
    died(bench)
    assert bench.settle("accepted", detail="m1") == 1
    assert bench.state() == "accepted"


def test_owner_gives_back(bench: Bench) -> None:
    """A retired token: all at once, without a lease's end, and nobody is suspect."""
    bench.load(groups=3)
    bench.claim(2, token="lost-reply")
    bench.claim(1, token="other")
    assert bench.lapse("lost-reply") == Lapsed(2, 0, 0, more=False)
    assert bench.counts() == {"pending": 2, "claimed": 1}
    assert bench.record().crashes == 0
    assert bench.claimed(token="T2") == [("c", 0), ("c", 1)]


def test_owner_gives_back_what_passed_the_gate(bench: Bench) -> None:
    """Even its owner cannot say that a gated group was not sent."""
    bench.sent()
    assert bench.lapse("T1") == Lapsed(0, 1, 0, more=False)


@pytest.mark.parametrize(
    ("verdict", "serial", "before", "after"),
    [
        ("unknown", 0, "claimed", "pending"),
        ("back", 2, "sending", "unknown"),
        ("retry", 0, "sending", "unknown"),
        ("hold", 1, "sending", "unknown"),
    ],
)
def test_a_verdict_that_changes_nothing_ends_no_claim(
    bench: Bench, verdict: str, serial: int, before: str, after: str
) -> None:
    """The worker may die right after it: the group must still be found."""
    bench.load(groups=1)
    bench.claim()
    if before == "sending":
        bench.gate()
    assert bench.settle(verdict, serial=serial) == 0
    assert bench.state() == before
    died(bench)
    assert bench.state() == after


def test_late_proof_of_an_old_serial_ends_no_claim(bench: Bench) -> None:
    """Proof of serial 1 by the holder of serial 2: 2 is still on its way."""
    bench.sent()
    assert bench.gate(0, 2, spent=0) == 0
    assert bench.settle("accepted", 0, 1, "m1") == 1
    died(bench)
    assert bench.state() == "unknown"


def test_a_lapsed_holder_under_the_same_token(bench: Bench) -> None:
    """A child slower than its lease claims its own group again: one of the two sends.

    The gate's reply to the second got lost, so it hands back what it may have begun.
    Had the first passed under that very serial, its message would count as unsent.
    """
    bench.load(groups=1)
    bench.claim()
    died(bench)
    (second,) = bench.claim().groups
    assert bench.gate(serial=1) == calls.Refusal.LOST
    assert bench.settle("back", serial=second.serial + 1) == 1
    bench.claim()
    assert bench.gate(serial=second.serial + 1) == 0
    assert bench.settle("back", serial=1) == 0
    assert bench.state() == "sending"


# -- while Redis was away -------------------------------------------------------


def test_an_outage_of_redis_kills_no_claim(bench: Bench) -> None:
    """Nobody could renew: who lives does so now, before anything is taken back."""
    bench.load(groups=2)
    bench.claim()
    assert bench.gate(1) == 0
    for _ in range(6):
        bench.clock.forward(10 * LEASE_MS)
        assert bench.run(calls.lapse()) == Lapsed(0, 0, 0, more=False)
        bench.run(calls.renew("child", ["T1"], in_shift=True))
        bench.clock.forward(1000)
        assert bench.run(calls.lapse()) == Lapsed(0, 0, 0, more=False)
    assert bench.counts() == {"claimed": 1, "sending": 1}
    assert bench.record().crashes == 0


def test_who_died_during_an_outage(bench: Bench) -> None:
    """Who has not renewed half a lease after it was dead all the same."""
    bench.load(groups=2)
    bench.claim()
    assert bench.gate(1) == 0
    bench.clock.forward(10 * LEASE_MS)
    waited = 0
    while not (lapsed := bench.run(calls.lapse())).returned:
        bench.clock.forward(1000)
        waited += 1
    assert (lapsed, waited) == (Lapsed(1, 1, 0, more=False), 15)


def test_lapse_in_a_cancelled_campaign(bench: Bench) -> None:
    """What comes back counts as cancelled; what passed the gate is unknown."""
    bench.load(groups=4)
    bench.claim(3)
    bench.gate(1)
    bench.control("cancel", "by hand")
    died(bench)
    assert bench.counts() == {"cancelled": 3, "unknown": 1}


def test_lapse_in_a_paused_campaign(bench: Bench) -> None:
    """It waits there, and goes on with the rest."""
    bench.load(groups=2)
    bench.claim(1)
    bench.control("pause", "by hand")
    died(bench)
    assert bench.claimed() == []
    bench.control("resume")
    assert bench.claimed(1) == [("c", 0)]


def test_heartbeats(bench: Bench) -> None:
    """A child is known while it renews, and forgotten when it is silent."""
    bench.run(calls.renew("a", [], in_shift=True))
    bench.run(calls.renew("b", [], in_shift=False))
    assert bench.redis.zcard(key("children")) == 2
    assert bench.redis.zrange(key("shifts"), 0, -1) == [b"a"]
    bench.clock.forward(HEARTBEAT_MS)
    bench.run(calls.renew("b", [], in_shift=False))
    bench.run(calls.wake(Rates()))
    assert bench.redis.zrange(key("children"), 0, -1) == [b"b"]
    assert bench.redis.zcard(key("shifts")) == 0
