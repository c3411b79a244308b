"""The day's cap: so many units from midnight to midnight UTC; then all wait at home."""

from __future__ import annotations

from dispatcher.ledger import calls
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.circumstances import look
from dispatcher.ledger.day import used_up_until
from dispatcher.ledger.keys import key
from tests.bench import DAWN_US, Bench, ticket

#: Two groups and a half.
RATES = Rates(daily=25)
#: The bench begins at eight o'clock.
REST_MS = 16 * 3_600_000
NOW_MS = DAWN_US // 1000
#: More than a group has patience at the gate: it goes back, and claim keeps it.
BACK_MS = 5000


def full(bench: Bench, groups: int = 4) -> None:
    """A campaign of which two groups used up the day."""
    bench.load(groups=groups)
    bench.claim(3, rates=RATES)
    items = [ticket(group) for group in range(3)]
    assert bench.gates(items, rates=RATES) == [0, 0, BACK_MS]


def test_no_more_than_that_passes(bench: Bench) -> None:
    """A group that does not fit waits, and everything after it, however small."""
    full(bench)
    assert bench.gate(2, cost=1, rates=RATES) == BACK_MS
    assert bench.row().gated_units == 20


def test_exactly_that_may_pass(bench: Bench) -> None:
    """The last unit, too."""
    bench.load(groups=3)
    bench.claim(3, rates=RATES)
    items = [ticket(0), ticket(1), ticket(2, cost=5)]
    assert bench.gates(items, rates=RATES) == [0, 0, 0]
    assert bench.claim(1, rates=RATES).wait_ms == REST_MS


def test_a_capped_account_holds_no_worker(bench: Bench) -> None:
    """Nothing is claimed and nobody called before midnight; a look costs one key."""
    full(bench)
    bench.settle("back", 2, 0, delay_ms=BACK_MS)
    bench.clock.forward(BACK_MS)
    left = REST_MS - BACK_MS
    assert bench.claim(9, rates=RATES).wait_ms == left
    bench.run(calls.renew("child", [], in_shift=False))
    assert bench.run(calls.wake(RATES)) == (0, left)
    assert bench.counts() == {"sending": 2, "pending": 2}


def test_the_next_day(bench: Bench) -> None:
    """At midnight all of it may go, what was handed back first."""
    full(bench)
    bench.settle("back", 2, 0, delay_ms=BACK_MS)
    bench.clock.forward(REST_MS - 1)
    assert bench.claim(9, rates=RATES).wait_ms == 1
    bench.clock.forward(1)
    bench.run(calls.renew("child", [], in_shift=False))
    assert bench.run(calls.wake(RATES)) == (1, 0)
    assert bench.claimed(9, rates=RATES) == [("c", 2), ("c", 3)]
    assert bench.gates([ticket(2), ticket(3)], rates=RATES) == [0, 0]


def test_a_raised_cap_holds_at_once(bench: Bench) -> None:
    """What was sent this day counts; groups go on without waiting for midnight."""
    full(bench)
    bench.settle("back", 2, 0, delay_ms=BACK_MS)
    bench.clock.forward(BACK_MS)
    more = Rates(daily=30)
    assert bench.claimed(9, rates=more) == [("c", 2), ("c", 3)]
    assert bench.gates([ticket(2), ticket(3)], rates=more) == [0, BACK_MS]


def test_without_a_cap_nothing_is_counted(bench: Bench) -> None:
    """It costs those nothing who do not use it."""
    bench.load(groups=1)
    bench.claim()
    assert bench.gate() == 0
    assert not bench.redis.exists(key("day"))


def test_the_count_is_the_ledger_s(bench: Bench) -> None:
    """Of all campaigns and children together; second tries count."""
    bench.load("a", 1)
    bench.load("b", 1)
    bench.claim(1, rates=RATES)
    bench.claim(1, rates=RATES, token="T2")
    assert bench.gate(id_="a", rates=RATES) == 0
    assert bench.gate(id_="a", serial=2, spent=0, rates=RATES) == 0
    assert bench.gate(id_="b", token="T2", rates=RATES) == BACK_MS


def test_a_clock_set_back_gives_no_second_allowance(bench: Bench) -> None:
    """What was spent stays spent, for the day that it is now."""
    full(bench)
    bench.clock.forward(-24 * 3_600_000)
    assert bench.claim(9, rates=RATES).wait_ms == REST_MS
    assert bench.gate(2, cost=1, rates=RATES) == BACK_MS
    bench.clock.forward(REST_MS)
    assert bench.gate(2, rates=RATES) == 0


def test_what_people_are_told(bench: Bench) -> None:
    """When it goes on; also those whose environment does not name the cap."""
    assert used_up_until(bench.ledger, NOW_MS) == 0
    full(bench)
    assert used_up_until(bench.ledger, NOW_MS) == NOW_MS + REST_MS
    assert used_up_until(bench.ledger, NOW_MS + REST_MS) == 0
    for rates in (RATES, Rates()):
        found = bench.run(look("c", rates))
        assert found is not None
        assert (found.day_wait, found.day_units) == (REST_MS, 20)
