"""Rates at the gate: every bucket is charged, and each who waits is told how long."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.calls import Rates, Refusal
from dispatcher.ledger.keys import key
from tests.bench import DAWN_US, Bench, ticket

ALL = Rates(account=10, sender=20)


def levels(bench: Bench) -> dict[str, float]:
    """The level of each bucket as stored."""
    stored = bench.redis.hgetall(key("buckets"))
    return {name.decode(): float(b.split()[0]) for name, b in stored.items()}


def test_all_three_buckets_are_charged(bench: Bench) -> None:
    """Account, sender and campaign pay the whole cost of a group that passes."""
    bench.load(groups=2, pace=40, sender="+19195550001")
    bench.claim(1)
    assert bench.gate(rates=ALL, cost=7) == 0
    assert levels(bench) == {
        "account": 2.5 - 7,
        "sender:+19195550001": 5 - 7,
        "campaign:c": 10 - 7,
    }


def test_who_waits_pays_nothing(bench: Bench) -> None:
    """Asking, and waiting, is free; so is a refusal for another reason."""
    bench.load(groups=4, pace=40)
    for _ in range(4):
        bench.claim(1)
    assert bench.gate(0, rates=ALL) == 0
    before = levels(bench)
    assert bench.gate(1, rates=ALL) == 750
    assert bench.gate(1, serial=9, rates=ALL) == Refusal.LOST
    assert bench.gates([ticket(2), ticket(3)], rates=ALL) == [750, 1750]
    assert levels(bench) == before
    assert bench.counts() == {"sending": 1, "claimed": 3}


def test_no_limit_no_bucket(bench: Bench) -> None:
    """Without rates nothing is counted and nothing waits."""
    bench.load(groups=50)
    bench.claim(50)
    assert bench.gates([ticket(group) for group in range(50)]) == [0] * 50
    assert levels(bench) == {}


def test_staggered_waits(bench: Bench) -> None:
    """Those who must wait line up: each is told its own time, none the same."""
    rates = Rates(account=100)
    bench.load(groups=5)
    bench.claim(5)
    items = [ticket(group, cost=cost) for group, cost in enumerate((40, 10, 10, 5, 1))]
    assert bench.gates(items, rates=rates) == [0, 150, 250, 350, 400]


def test_waiting_as_told(bench: Bench) -> None:
    """Who comes back when told to passes, and not a millisecond before."""
    rates = Rates(account=3)
    bench.load(groups=2)
    bench.claim(2)
    bench.claim(2)
    bench.gate(0, rates=rates)
    wait_ms = bench.gate(1, rates=rates)
    assert wait_ms == 3084  # (10 - 0.75) / 3 s, rounded up
    bench.clock.forward(wait_ms - 1)
    assert bench.gate(1, rates=rates) == 1
    bench.clock.forward(1)
    assert bench.gate(1, rates=rates) == 0


def test_other_campaigns_debt_holds_nobody_up(bench: Bench) -> None:
    """Groups that wait for their own pace take nobody's place in the account's line."""
    rates = Rates(account=100)
    bench.load("slow", 4, pace=1)
    bench.load("free", 4)
    for _ in range(4):
        bench.claim(8)
    assert bench.gate(0, id_="slow", rates=rates) == 0
    answers = bench.gates(
        [
            *(ticket(group, id_="slow") for group in (1, 2, 3)),
            *(ticket(group, id_="free") for group in range(4)),
        ],
        rates=rates,
    )
    assert answers == [9750, 19_750, 29_750, 0, 0, 50, 150]


def test_a_slow_sender_holds_up_no_other(bench: Bench) -> None:
    """The same for the buckets of two senders."""
    rates = Rates(account=1000, sender=1)
    bench.load("a", 2, sender="+19195550001")
    bench.load("b", 1, sender="+19195550002")
    bench.claim(1, rates=rates)
    bench.claim(1, rates=rates)
    bench.claim(1, rates=rates)
    items = [ticket(0, id_="a"), ticket(1, id_="a"), ticket(0, id_="b")]
    assert bench.gates(items, rates=rates)[::2] == [0, 0]


def test_second_tries_pay_again(bench: Bench) -> None:
    """Every request the provider sees costs its units."""
    rates = Rates(account=100)
    bench.load(groups=1)
    bench.claim()
    assert bench.gate(rates=rates, cost=30) == 0
    assert bench.gate(serial=2, spent=0, rates=rates) == 50
    bench.clock.forward(50)
    assert bench.gate(serial=2, spent=0, rates=rates) == 0
    assert levels(bench) == {"account": -10.0}


def test_throttled(bench: Bench) -> None:
    """A pause of the account holds claimed groups at the gate as well."""
    bench.load(groups=1)
    bench.claim()
    bench.run(calls.throttle(0.5))
    assert bench.gate() == 500
    bench.clock.forward(500)
    assert bench.gate() == 0


def test_the_cap(bench: Bench) -> None:
    """An idle hour saves up a quarter of a second's worth, no more."""
    rates = Rates(account=100)
    bench.load(groups=9)
    bench.claim(9)
    assert bench.gate(0, rates=rates, cost=1) == 0
    bench.clock.forward(3_600_000)
    answers = bench.gates([ticket(group) for group in range(1, 6)], rates=rates)
    assert answers == [0, 0, 0, 50, 150]


def test_a_pace_is_kept_past_the_end(bench: Bench) -> None:
    """Done is not final: what a person asks for again does not come over the pace."""
    bench.load(groups=1, pace=1)
    bench.claim()
    bench.gate()
    bench.settle("failed", detail="400")
    assert bench.campaign() == "done"
    bench.settle("ask")
    assert bench.claim().wait_ms == 9750


def test_a_cancelled_campaign_leaves_no_bucket(bench: Bench) -> None:
    """Cancelled is final: its bucket goes."""
    bench.load(groups=2, pace=1)
    bench.claim(1)
    bench.gate()
    bench.control("cancel")
    assert levels(bench) == {}


# -- the clock -----------------------------------------------------------------


def test_a_clock_set_back_lets_nothing_through(bench: Bench) -> None:
    """No refill for time that passed before: what was saved is lost, debt stays."""
    rates = Rates(account=100)
    bench.load(groups=4)
    bench.claim(4)
    bench.gate(0, rates=rates, cost=20)
    bench.clock.forward(-3_600_000)
    assert levels(bench) == {"account": 5.0}
    assert bench.gates([ticket(1), ticket(2)], rates=rates) == [0, 100]
    bench.clock.forward(-3_600_000)
    assert bench.gate(2, rates=rates) == 100


@pytest.mark.parametrize("ask", ["claim", "wake"])
def test_a_clock_set_back_delays_by_the_debt_only(bench: Bench, ask: str) -> None:
    """Not by the hour it was set back: the debt counts from the new time."""
    rates = Rates(account=1)
    bench.load(groups=2)
    bench.claim(1, rates=rates)
    bench.gate(rates=rates)
    bench.clock.forward(-3_600_000)
    if ask == "claim":
        assert bench.claim(rates=rates).wait_ms == 9750
    else:
        assert bench.run(calls.wake(rates)) == (0, 9750)
    bench.clock.forward(9750)
    assert bench.claimed(rates=rates) == [("c", 1)]


def test_a_clock_set_forward_gives_one_burst(bench: Bench) -> None:
    """A jump fills a bucket to its cap, however far."""
    rates = Rates(account=100)
    bench.load(groups=9)
    bench.claim(9)
    bench.gate(0, rates=rates, cost=500)
    bench.clock.forward(10 * 365 * 86_400_000)
    answers = bench.gates([ticket(group) for group in range(1, 5)], rates=rates)
    assert answers == [0, 0, 0, 50]


def test_large_numbers_are_stored_whole(bench: Bench) -> None:
    """Time in microseconds has sixteen digits; none is lost, nor is a small level."""
    rates = Rates(account=0.001)
    bench.load(groups=1)
    bench.claim(rates=rates)
    bench.clock.us += 7
    assert bench.gate(rates=rates, cost=1) == 0
    stored = bench.redis.hget(key("buckets"), "account")
    assert stored == f"-0.999750 {DAWN_US + 7}".encode()


# -- the more urgent first -----------------------------------------------------


ONE = Rates(account=10)


def two(bench: Bench, priority: int = 5, **more: float) -> None:
    """An urgent and a plain campaign; the account owes 750 ms."""
    bench.load("plain", 3)
    bench.load("urgent", 3, priority=priority, **more)
    bench.claim(6)
    assert bench.gate(0, id_="plain", rates=ONE) == 0


def test_the_more_urgent_first(bench: Bench) -> None:
    """Whoever asks first when the wait is over: the urgent one has it."""
    two(bench)
    assert bench.gate(0, id_="urgent", rates=ONE) == 750
    bench.clock.forward(760)
    assert bench.gate(1, id_="plain", rates=ONE) == 90
    assert bench.gate(0, id_="urgent", rates=ONE) == 0
    bench.clock.forward(1000)
    assert bench.gate(1, id_="plain", rates=ONE) == 0


def test_who_does_not_come_back_is_not_waited_for(bench: Bench) -> None:
    """Its worker died, say: a tenth of a second is lost."""
    two(bench)
    bench.gate(0, id_="urgent", rates=ONE)
    bench.clock.forward(850)
    assert bench.gate(1, id_="plain", rates=ONE) == 0


def test_equals_give_no_way(bench: Bench) -> None:
    """Of one priority, whoever asks first."""
    two(bench, priority=0)
    bench.gate(0, id_="urgent", rates=ONE)
    bench.clock.forward(760)
    assert bench.gate(1, id_="plain", rates=ONE) == 0


def test_the_less_urgent_waits_for_nobody(bench: Bench) -> None:
    """It cannot stand in the way of those above it, nor take their place."""
    two(bench, priority=-5)
    bench.gate(1, id_="plain", rates=ONE)
    bench.gate(0, id_="urgent", rates=ONE)
    bench.clock.forward(760)
    assert bench.gate(0, id_="urgent", rates=ONE) == 90
    assert bench.gate(1, id_="plain", rates=ONE) == 0


def test_nobody_gives_way_to_who_waits_for_a_pace_of_its_own(bench: Bench) -> None:
    """What it waits for is no bucket of the others'."""
    two(bench, pace=100)
    rates = Rates(account=1000)
    bench.clock.forward(100)
    assert bench.gate(0, id_="urgent", rates=rates, cost=40) == 0
    assert bench.gate(1, id_="urgent", rates=rates) == 150
    assert bench.redis.hkeys(key("first")) == []
    assert bench.gate(1, id_="plain", rates=rates, cost=60) == 0
    # Now the account owes something, too, but less.
    bench.clock.forward(5)
    assert bench.gate(1, id_="urgent", rates=rates) == 145
    bench.clock.forward(50)
    assert bench.gate(2, id_="plain", rates=rates) == 0


def test_who_goes_back_to_the_queue_is_not_waited_for(bench: Bench) -> None:
    """Told to wait for more than a moment, it does not ask again by itself."""
    two(bench)
    assert bench.gate(0, id_="urgent", rates=Rates(account=5)) == 1500
    bench.clock.forward(1500)
    assert bench.gate(1, id_="plain", rates=Rates(account=5)) == 0


def test_the_last_of_the_urgent_ones(bench: Bench) -> None:
    """While another of them was told to wait, one that passes opens nothing."""
    two(bench)
    items = [ticket(group, id_="urgent") for group in range(2)]
    assert bench.gates(items, rates=ONE) == [750, 1750]
    assert bench.gates(items[:1], rates=ONE) == [750]
    bench.clock.forward(700)
    assert bench.gate(1, id_="urgent", rates=ONE) == 50
    bench.clock.forward(60)
    assert bench.gate(0, id_="urgent", rates=ONE) == 0
    assert bench.gate(1, id_="urgent", rates=ONE) == 990
    bench.clock.forward(995)
    assert bench.gate(1, id_="plain", rates=ONE) == 95
    assert bench.gate(1, id_="urgent", rates=ONE) == 0


def test_a_clock_set_back_holds_nobody_for_long(bench: Bench) -> None:
    """Who came first in a time that is yet to come is forgotten."""
    two(bench)
    bench.gate(0, id_="urgent", rates=ONE)
    bench.clock.forward(-60_000)
    assert bench.gate(1, id_="plain", rates=ONE) == 750
    bench.clock.forward(750)
    assert bench.gate(1, id_="plain", rates=ONE) == 0
