"""Which ledger this is: restarts, set-backs, and what has to be looked at then."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.identity import SET_BACK, Compared, Doubt, Identity, compare
from dispatcher.ledger.keys import key
from tests.bench import FREE, Bench, ticket

#: How long a ledger is closed after a restart.
QUIET_MS = 6000


def look(bench: Bench, seen: Identity | None = None, *, child: str = "a") -> Compared:
    return bench.run(compare(child, seen or Identity()))


def restarted(bench: Bench) -> None:
    """As if the server had been started anew: ids that it never had before."""
    look(bench)
    bench.redis.hset(key("identity"), mapping={"replid": "0f", "run": "0e"})


def test_every_group_let_through_is_counted(bench: Bench) -> None:
    """The gate tells the count, and it is the same ledger as before."""
    bench.load(groups=3)
    bench.claim()
    reply = bench.run(calls.gate("T1", FREE, [ticket(0), ticket(1), ticket(7)]))
    assert reply == ([0, 0, -1], 2)
    first = look(bench)
    assert (first.identity.count, first.doubt, first.paused) == (2, Doubt.NONE, 0)
    assert bench.gate(2) == 0
    second = look(bench, first.identity)
    assert second.identity == Identity(first.identity.nonce, 3)
    assert second.doubt is Doubt.NONE


def test_a_ledger_emptied_is_another(bench: Bench) -> None:
    """The nonce is new, even on the same server."""
    before = look(bench).identity
    bench.redis.flushall()
    bench.clock.forward(1)
    assert look(bench, before).doubt is Doubt.LEDGER


def test_nothing_is_sent_before_somebody_looked(bench: Bench) -> None:
    """After a restart claim, gate and clock wait for the first comparison."""
    bench.load(groups=2)
    bench.claim(1)
    restarted(bench)
    assert bench.gate(0) == 1000
    assert bench.claim().wait_ms == 1000
    assert bench.run(calls.wake(FREE)) == (0, 1000)
    look(bench)
    assert bench.gate(0) == 0


def test_after_a_restart_the_living_are_waited_for(bench: Bench) -> None:
    """A child that was there may remember more than the one that looked first."""
    bench.load(groups=2)
    bench.run(calls.renew("a", [], in_shift=False))
    bench.run(calls.renew("b", [], in_shift=False))
    bench.claim(1)
    restarted(bench)
    bench.clock.forward(20_000)
    assert bench.run(calls.wake(FREE)) == (0, 1000), "nobody counts as dead yet"
    look(bench)
    assert bench.gate(0) == QUIET_MS
    assert look(bench, child="b").paused == 0
    bench.clock.forward(QUIET_MS - 1)
    assert bench.gate(0) == 1
    bench.clock.forward(1)
    assert bench.gate(0) == 0


def test_who_ended_in_order_is_not_waited_for(bench: Bench) -> None:
    """A system that was stopped and started again sends at once."""
    bench.load()
    bench.run(calls.renew("b", [], in_shift=True))
    bench.run(calls.leave("b"))
    restarted(bench)
    look(bench)
    assert bench.claimed(1) == [("c", 0)]


def test_a_clock_set_back_while_closed(bench: Bench) -> None:
    """It stays closed for as long as it was to be, and no longer."""
    bench.load()
    bench.run(calls.renew("b", [], in_shift=True))
    restarted(bench)
    look(bench)
    bench.clock.forward(-3_600_000)
    assert bench.claim().wait_ms == QUIET_MS
    bench.clock.forward(QUIET_MS)
    assert bench.claimed(1) == [("c", 0)]


def test_a_replica_that_comes_is_no_restart(bench: Bench) -> None:
    """The first one that attaches gives the primary another id; its run goes on."""
    bench.load()
    bench.run(calls.renew("b", [], in_shift=True))
    look(bench)
    bench.redis.hset(key("identity"), "replid", "0f")
    look(bench)
    assert bench.claimed(1) == [("c", 0)]


@pytest.mark.parametrize(
    ("nonce", "ahead", "doubt"),
    [("", 0, Doubt.NONE), ("", 1, Doubt.SET_BACK), ("other", 0, Doubt.LEDGER)],
)
def test_the_memory_of_a_child(
    bench: Bench, nonce: str, ahead: int, doubt: Doubt
) -> None:
    """What it was told once the ledger must still know."""
    bench.sent(2)
    known = look(bench).identity
    found = look(bench, Identity(nonce or known.nonce, known.count + ahead))
    assert (found.doubt, found.identity) == (doubt, known)
    assert bench.campaign() == ("running" if doubt is Doubt.NONE else "paused(ledger)")


def test_every_unfinished_campaign_waits(bench: Bench) -> None:
    """Running, scheduled or paused: all of them, in one run; what ended stays so."""
    bench.load("running")
    bench.load("scheduled", starts_at=bench.clock.ms + 60_000)
    bench.load("paused")
    bench.control("pause", "by hand", id_="paused")
    bench.load("cancelled")
    bench.control("cancel", "by hand", id_="cancelled")
    bench.load("done", 0)
    bench.control("pause", id_="done")
    look(bench)
    found = look(bench, Identity("other", 1))
    assert (found.doubt, found.paused) == (Doubt.LEDGER, 3)
    states = {id_: bench.campaign(id_) for id_ in bench.loaded}
    assert states == {
        "running": "paused(ledger)",
        "scheduled": "paused(ledger)",
        "paused": "paused(ledger)",
        "cancelled": "cancelled(by hand)",
        "done": "done",
    }
    assert look(bench, Identity("other", 1)).paused == 0


def test_only_who_verified_may_resume(bench: Bench) -> None:
    """`resume` changes nothing before `vouch`; what was scheduled is so again."""
    bench.load(starts_at=bench.clock.ms + 60_000)
    look(bench, Identity("other", 1))
    assert bench.control("resume") == "paused"
    assert bench.campaign() == f"paused({SET_BACK})"
    bench.control("vouch", "verified")
    assert bench.campaign() == f"paused({SET_BACK})", "another child may know, too"
    bench.clock.forward(QUIET_MS)
    bench.control("vouch", "verified")
    assert bench.campaign() == "paused(verified)"
    assert bench.control("resume") == "scheduled"


def test_vouching_lifts_no_other_pause(bench: Bench) -> None:
    """The reason of any other pause stays."""
    bench.load()
    bench.control("pause", "canary")
    bench.control("vouch", "verified")
    assert bench.campaign() == "paused(canary)"


def test_answers_are_recorded_all_the_same(bench: Bench) -> None:
    """What was on its way when the ledger was set back is true, and is recorded."""
    bench.sent(1)
    look(bench, Identity("other", 1))
    bench.settle("accepted", 0, detail="m1")
    assert bench.counts() == {"accepted": 1}


def test_full_memory_hides_nothing(bench: Bench) -> None:
    """A ledger without memory is compared, and its campaigns are paused."""
    bench.load()
    look(bench)
    bench.checked = False
    bench.redis.config_set("maxmemory", 1)
    try:
        assert look(bench, Identity("other", 1)).paused == 1
    finally:
        bench.redis.config_set("maxmemory", 0)
