"""What explain.lua finds, on a real server; it changes nothing."""

from __future__ import annotations

from dispatcher.ledger import calls
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.circumstances import Circumstances, look
from dispatcher.ledger.states import CampaignState, GroupState
from tests.bench import SENDER, SIZE, Bench

RATES = Rates(account=100.0, sender=10.0)


def found(bench: Bench, rates: Rates = RATES, id_: str = "c") -> Circumstances:
    before = bench.dump()
    facts = bench.ledger.circumstances(bench.row(id_), rates)
    assert bench.dump() == before
    return facts


def test_a_list_that_is_being_read(bench: Bench) -> None:
    """There is nothing to look at yet, and no complaint that it is unknown."""
    bench.run(calls.begin("c", 60))
    assert found(bench) == Circumstances(CampaignState.LOADING)


def test_a_fresh_campaign(bench: Bench) -> None:
    """All is there to be claimed, and nobody to do it."""
    bench.load(pace=2.5)
    facts = found(bench)
    assert (facts.state, facts.reason) == (CampaignState.RUNNING, "")
    assert facts.counts == dict.fromkeys(GroupState, 0) | {GroupState.PENDING: 3}
    assert (facts.fresh, facts.fresh_wait, facts.next_due) == (3, 0, -1)
    assert (facts.ahead, facts.children, facts.down) == (0, 0, 0)
    assert facts.now == bench.clock.ms
    names = [(bucket.name, bucket.rate) for bucket in facts.buckets]
    assert names == [("account", 100.0), ("sender", 10.0), ("campaign", 2.5)]


def test_debt_pause_and_breaker(bench: Bench) -> None:
    """What the buckets owe, and what stops everybody."""
    bench.load()
    bench.claim(rates=RATES)
    assert bench.gate(rates=RATES) == 0
    bench.run(calls.renew("child", [], in_shift=True))
    bench.run(calls.breaker("child", "down", 0))
    bench.run(calls.throttle(2.0))
    facts = found(bench)
    assert (facts.children, facts.down) == (1, 1)
    assert facts.throttled == 2000
    account, sender = facts.buckets
    assert account.level == 25 - SIZE
    assert (sender.level, sender.wait_ms) == (2.5 - SIZE, 750)
    bench.clock.forward(calls.HEARTBEAT_MS + 1)
    assert (found(bench).children, found(bench).throttled) == (0, 0)


def test_who_waits_behind_a_lock(bench: Bench) -> None:
    """Handed back, while another message to the same people is unresolved."""
    bench.load(groups=2)
    bench.claim()
    bench.settle("back", 1, 0, delay_ms=5000)
    assert (found(bench).next_due, found(bench).locked) == (5000, 0)
    lock = bench.ledger.group(bench.row(), 1).lock(SENDER)
    bench.redis.zadd("dispatcher:locks", {lock: bench.clock.ms + 1000})
    assert (found(bench).waiting, found(bench).locked) == ((1,), 1)
    bench.clock.forward(1000)
    assert found(bench).locked == 0


def test_an_unknown_id(bench: Bench) -> None:
    """There is nothing to say."""
    assert bench.run(look("nobody", RATES)) is None
