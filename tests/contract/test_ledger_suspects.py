"""Suspects: what was reserved when workers died is sent alone, and at last no more."""

from __future__ import annotations

from dispatcher.ledger.calls import Lapsed, Rates
from tests.bench import LAPSE_MS, Bench


def died(bench: Bench) -> None:
    """Whoever held something is dead, and found so."""
    bench.clock.forward(LAPSE_MS)
    bench.lapse()


def suspects(bench: Bench, count: int, deaths: int = 1) -> None:
    """A campaign whose groups were all claimed when their workers died."""
    bench.load(groups=count)
    bench.claim(count)
    died(bench)
    for _ in range(1, deaths):
        for _ in range(count):
            assert len(bench.claimed()) == 1
        died(bench)


def test_suspects_go_alone(bench: Bench) -> None:
    """One at a time, and to a child that holds nothing."""
    suspects(bench, 3)
    assert bench.claimed(10) == [("c", 0)]
    assert bench.claimed(10, token="T2") == [("c", 1)]
    reply = bench.claim(10, idle=False)
    assert (reply.groups, reply.alone, reply.wait_ms) == ([], True, 50)
    assert bench.record(2).crashes == 1


def test_others_do_not_wait_for_suspects(bench: Bench) -> None:
    """A busy child gets what is not suspect, and hears that something waits."""
    bench.load(groups=5)
    bench.claim(2)
    died(bench)
    reply = bench.claim(10, idle=False)
    assert [c.group for c in reply.groups] == [2, 3, 4]
    assert reply.alone


def test_no_child_runs_empty_for_a_suspect_behind_others(bench: Bench) -> None:
    """While a more urgent campaign has work the suspect would not be taken anyway."""
    suspects(bench, 1)
    bench.load("urgent", 500, priority=1)
    reply = bench.claim(20, rates=Rates(account=400), idle=False)
    assert (len(reply.groups), reply.alone) == (10, False)


def test_a_suspect_that_was_sent_is_no_poison(bench: Bench) -> None:
    """It is sent like any other once it got through."""
    suspects(bench, 1, deaths=4)
    (claimed,) = bench.claim().groups
    assert bench.gate(serial=claimed.serial + 1) == 0
    bench.settle("accepted", serial=claimed.serial + 1, detail="m")
    assert bench.campaign() == "done"


def test_poison(bench: Bench) -> None:
    """After five deaths in its claim a group is given up, with the reason."""
    suspects(bench, 1, deaths=4)
    assert bench.record().crashes == 4
    bench.claim()
    bench.clock.forward(LAPSE_MS)
    assert bench.lapse() == Lapsed(0, 0, 1, more=False)
    assert (bench.state(), bench.record().tail) == ("cancelled", "poison")
    assert bench.campaign() == "done"
