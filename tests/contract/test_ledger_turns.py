"""Turns: which campaign goes first, and that many campaigns cost no more than few."""

from __future__ import annotations

from collections import Counter

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.keys import key
from dispatcher.ledger.scripts import evalsha
from tests.bench import LAPSE_MS, Bench, ticket


def shares(bench: Bench, claims: int, want: int = 1) -> Counter[str]:
    """Groups of each campaign in so many claims."""
    return Counter(id_ for _ in range(claims) for id_, _ in bench.claimed(want))


def test_highest_priority_first(bench: Bench) -> None:
    """A more urgent campaign is emptied before the next gets a turn."""
    bench.load("b-normal", 2)
    bench.load("c-urgent", 2, priority=10)
    bench.load("a-idle", 2, priority=-100)
    order = [id_ for _ in range(6) for id_, _ in bench.claimed(1)]
    assert order == ["c-urgent"] * 2 + ["b-normal"] * 2 + ["a-idle"] * 2


def test_least_served_first(bench: Bench) -> None:
    """Campaigns of one priority share by units, not by groups or by turns."""
    bench.load("ones", 60, group_size=1)
    bench.load("tens", 60, group_size=10)
    assert shares(bench, 44) == {"ones": 40, "tens": 4}


def test_a_newcomer_does_not_starve_the_old(bench: Bench) -> None:
    """One that comes late shares from now on; it does not catch up first."""
    bench.load("old", 60)
    bench.claim(30)
    bench.load("new", 60)
    assert shares(bench, 10) == {"old": 5, "new": 5}


def test_a_newcomer_does_not_starve_behind_the_urgent(bench: Bench) -> None:
    """What a campaign of another priority was served is nothing to it."""
    bench.load("low", 60)
    bench.load("urgent", 30, priority=5)
    assert shares(bench, 3, want=10) == {"urgent": 30}
    bench.load("urgent-2", 10, priority=5)
    bench.load("new", 60)
    assert shares(bench, 1, want=10) == {"urgent-2": 10}
    assert shares(bench, 10) == {"low": 5, "new": 5}


def test_coming_back_does_not_starve(bench: Bench) -> None:
    """One that was served much, went away and returns shares with newcomers."""
    bench.load("old", 60)
    bench.claim(40)
    bench.control("pause", id_="old")
    bench.load("new", 60)
    bench.claim(2)
    bench.control("resume", id_="old")
    assert shares(bench, 10) == {"old": 5, "new": 5}


def test_retries_do_not_lose_their_turn(bench: Bench) -> None:
    """A campaign that only has retries left gets its share as well."""
    bench.load("a-old", 4)
    bench.claim(4)
    bench.load("b-new", 60)
    bench.claim(8)
    for group in range(4):
        bench.settle("back", group, 0, id_="a-old")
    assert shares(bench, 8) == {"a-old": 4, "b-new": 4}


def test_one_claim_serves_several_campaigns(bench: Bench) -> None:
    """Free slots that one campaign cannot fill go to the next."""
    bench.load("a", 1)
    bench.load("b", 1)
    bench.load("d", 1)
    assert bench.claimed(3) == [("a", 0), ("b", 0), ("d", 0)]


def many(bench: Bench, count: int) -> None:
    """So many campaigns of one group each, ready to be claimed."""
    bench.checked = False
    bench.sent(id_="warm-up")  # the server has read the scripts afterwards
    bench.settle("accepted", id_="warm-up", detail="m")
    bench.run(calls.wake(Rates()))
    pipe = bench.redis.pipeline(transaction=False)
    for number in range(count):
        # Without chunks: nobody reads them here.
        call = bench.committing(f"c{number:05}", 0, groups=1)
        pipe.evalsha(*evalsha(call, bench.clock()))
    pipe.execute()


@pytest.mark.parametrize("rates", [Rates(), Rates(account=2000)])
def test_ten_thousand_campaigns_stay_cheap(bench: Bench, rates: Rates) -> None:
    """A claim, a gate, a settle, a wake cost as many commands as with one hundred."""
    costs = []
    for count in (100, 10_000):
        bench.redis.flushall()
        many(bench, count)
        bench.commands()
        groups = bench.claim(50, rates=rates).groups
        claimed = bench.commands()
        assert len(groups) == 50
        items = [ticket(id_=c.id) for c in groups]
        assert bench.gates(items, rates=rates) == [0] * 50
        gated = bench.commands()
        for c in groups[:10]:
            bench.settle("accepted", detail="m", id_=c.id)
        settled = bench.commands()
        bench.run(calls.wake(rates))
        costs.append((claimed, gated, settled, bench.commands()))
    assert costs[0] == costs[1]
    assert costs[0][0] < 50 * 12


def test_many_scheduled_campaigns_begin_in_bounded_steps(bench: Bench) -> None:
    """Hundreds that begin at one moment do not make one claim long."""
    bench.checked = False
    for number in range(300):
        begins = {"groups": 1, "starts_at": bench.clock.ms + 10}
        bench.run(bench.committing(f"c{number}", 0, **begins))
    bench.clock.forward(10)
    assert len(bench.claimed(1)) == 1
    assert bench.redis.zcard(key("later")) == 200
    assert bench.redis.zcard(key("ready")) == 99


def test_debt_of_one_sender(bench: Bench) -> None:
    """Campaigns of a sender in debt step aside for those of another."""
    rates = Rates(sender=1)
    bench.checked = False
    for number in range(60):
        bench.load(f"a{number:02}", 1, sender="+19195550001")
    bench.load("b", 1, sender="+19195550002")
    assert bench.claimed(1, rates=rates) == [("a00", 0)]
    assert bench.gate(id_="a00", rates=rates) == 0
    seen = [bench.claimed(1, rates=rates) for _ in range(3)]
    assert [("b", 0)] in seen
    bench.check()


def test_lapsed_leases_are_taken_back_in_steps(bench: Bench) -> None:
    """Thousands of dead claims are taken back a bounded number at a time."""
    bench.checked = False
    bench.load(groups=1100)
    assert len(bench.claimed(1000)) == 1000
    bench.clock.forward(LAPSE_MS)
    steps = [bench.lapse()]
    while steps[-1].more:
        steps.append(bench.lapse())
    assert [step.returned for step in steps] == [500, 500]
    bench.check()
