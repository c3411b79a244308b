"""The gate's notes of what it let through, and when: few, and true."""

from __future__ import annotations

from itertools import pairwise

from dispatcher.ledger.calls import Rates
from dispatcher.ledger.history import SLOTS, Slot, slots
from dispatcher.ledger.keys import key
from tests.bench import FREE, Bench, ticket

RATES = Rates(account=400.0, sender=50.0)


def noted(bench: Bench, id_: str = "c") -> list[Slot]:
    return list(slots(dict(bench.ledger.pages_of(key("history", f"load-{id_}")))))


def passed(bench: Bench, *groups: int, rates: Rates = FREE) -> None:
    """Groups that are claimed and let through."""
    bench.claim(len(groups))
    answers = bench.gates([ticket(group) for group in groups], rates=rates)
    assert answers == [0] * len(groups)


def test_units_by_time(bench: Bench) -> None:
    """Counted from the first send, all groups of a call and of a slot together."""
    bench.load(groups=5)
    passed(bench, 0, 1)
    bench.clock.forward(9_999)
    passed(bench, 2)
    bench.clock.forward(1)
    passed(bench, 3)
    bench.clock.forward(25_000)
    passed(bench, 4)
    assert [(slot.start, slot.units) for slot in noted(bench)] == [
        *((0, 30), (10, 10), (30, 10)),
    ]
    assert sum(slot.units for slot in noted(bench)) == bench.row().gated_units


def test_only_what_passes(bench: Bench) -> None:
    """A group that is refused, or whose units are owed, is no unit sent."""
    bench.load(groups=3)
    bench.load("d", groups=1)
    bench.claim()
    slow = Rates(account=1.0)
    items = [ticket(0), ticket(1), ticket(2), ticket(id_="d", serial=7)]
    assert [answer == 0 for answer in bench.gates(items, rates=slow)] == [
        *(True, False, False, False),
    ]
    assert [slot.units for slot in noted(bench)] == [10]
    assert noted(bench, "d") == []


def test_what_was_permitted(bench: Bench) -> None:
    """The lowest of the rates that the workers went by; told again when it changes."""
    bench.load(groups=4, pace=100.0)
    for group, rates in enumerate((RATES, RATES, Rates(account=20.0), FREE)):
        passed(bench, group, rates=rates)
        bench.clock.forward(10_000)
    assert [slot.permitted for slot in noted(bench)] == [50, 50, 20, 100]
    fields = bench.redis.hkeys(key("history", "load-c"))
    assert len(fields) == 4 + 3 + 1


def test_no_limit(bench: Bench) -> None:
    """Is told as such."""
    bench.load(groups=1)
    passed(bench, 0)
    assert noted(bench) == [Slot(0, 10, None)]


def test_a_long_campaign_has_few_slots(bench: Bench) -> None:
    """Slots become longer with its age: a month of sends is bounded."""
    bench.checked = False
    bench.load(groups=400)
    for group in range(400):
        passed(bench, group)
        bench.clock.forward(3 * 60 * 60 * 1000 if group > SLOTS else 10_000)
    found = noted(bench)
    assert [slot.start for slot in found[:SLOTS]] == list(range(0, 1200, 10))
    assert all(a.start + a.seconds <= b.start for a, b in pairwise(found))
    assert sum(slot.units for slot in found) == 4000
    assert len(found) <= SLOTS + 12 * SLOTS // 2


def test_a_clock_that_goes_backwards(bench: Bench) -> None:
    """Before the first send is at the first send."""
    bench.load(groups=2)
    passed(bench, 0)
    bench.clock.forward(-60_000)
    passed(bench, 1)
    assert noted(bench) == [Slot(0, 20, None)]
