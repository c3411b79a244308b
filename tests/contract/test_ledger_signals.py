"""What children tell each other: pause, outage, heartbeat, wake-up, who ticks."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.calls import HEARTBEAT_MS, Rates
from dispatcher.ledger.keys import key
from tests.bench import DAWN_US, FREE, Bench

NOW_MS = DAWN_US // 1000


def throttle(bench: Bench, retry_after_s: float | None = None) -> int:
    return bench.run(calls.throttle(retry_after_s))


# -- 429 -----------------------------------------------------------------------


def test_the_pause_doubles(bench: Bench) -> None:
    """100 ms at first, twice as long each time 429s go on, a minute at most."""
    pauses = []
    for _ in range(12):
        pauses.append(throttle(bench))
        bench.clock.forward(pauses[-1])
    assert pauses[:10] == [100 * 2**step for step in range(10)]
    assert pauses[10:] == [60_000, 60_000]


def test_a_storm_counts_once(bench: Bench) -> None:
    """Answers that come while it pauses belong to the same storm."""
    assert throttle(bench) == 100
    bench.clock.forward(40)
    assert [throttle(bench) for _ in range(5)] == [60] * 5
    bench.clock.forward(60)
    assert throttle(bench) == 200


def test_retry_after(bench: Bench) -> None:
    """What the provider names counts, unless more was named before."""
    assert throttle(bench, 3.5) == 3500
    assert throttle(bench, 1) == 3500
    assert throttle(bench, 5) == 5000
    assert throttle(bench) == 5000
    bench.clock.forward(5000)
    assert throttle(bench) == 100


def test_unthrottle(bench: Bench) -> None:
    """Once messages are taken again the next pause is small; this one is not cut."""
    bench.run(calls.unthrottle())
    assert bench.redis.keys() == []
    throttle(bench)
    bench.clock.forward(100)
    assert throttle(bench) == 200
    bench.run(calls.unthrottle())
    bench.load(groups=1)
    assert bench.claim().wait_ms == 200
    bench.clock.forward(200)
    assert throttle(bench) == 100


def test_a_pause_is_forgotten(bench: Bench) -> None:
    """Long after it the key expires by itself."""
    throttle(bench, 7)
    assert 66_000 < bench.redis.pttl(key("throttle")) <= 67_000


# -- the breaker ---------------------------------------------------------------


def tell(bench: Bench, child: str, verdict: str) -> int:
    call = calls.breaker(child, verdict, 20_000)  # type: ignore[arg-type]
    return bench.run(call)


def live(bench: Bench, *children: str) -> None:
    for child in children:
        bench.run(calls.renew(child, [], in_shift=False))


def test_one_child_of_several(bench: Bench) -> None:
    """When only one cannot connect the fault is its own: it tries as it likes."""
    live(bench, "a", "b")
    assert tell(bench, "a", "down") == 1
    assert [tell(bench, "a", "probe") for _ in range(3)] == [1, 1, 1]
    assert not bench.redis.exists(key("probe"))


def test_two_children(bench: Bench) -> None:
    """When two cannot it is the account's: one of them tries, under a lease."""
    live(bench, "a", "b", "c")
    tell(bench, "a", "down")
    assert tell(bench, "b", "down") == 2
    assert tell(bench, "a", "probe") == 1
    assert tell(bench, "b", "probe") == 0
    assert tell(bench, "a", "probe") == 1
    assert 19_000 < bench.redis.pttl(key("probe")) <= 20_000
    bench.redis.delete(key("probe"))  # the lease ends
    assert tell(bench, "b", "probe") == 1
    assert tell(bench, "a", "probe") == 0


def test_the_only_child(bench: Bench) -> None:
    """It is everybody: it probes under the lease."""
    live(bench, "a")
    tell(bench, "a", "down")
    assert tell(bench, "a", "probe") == 1
    assert bench.redis.get(key("probe")) == b"a"


def test_up_again(bench: Bench) -> None:
    """Who gets through says so; nobody need wait for its lease to end."""
    live(bench, "a", "b")
    tell(bench, "a", "down")
    tell(bench, "b", "down")
    tell(bench, "a", "probe")
    assert tell(bench, "a", "up") == 1
    assert tell(bench, "b", "probe") == 1
    assert tell(bench, "b", "up") == 0


def test_the_dead_are_not_down(bench: Bench) -> None:
    """A child that was down and vanished counts for two minutes more."""
    live(bench, "a", "b", "c")
    tell(bench, "a", "down")
    bench.clock.forward(120_000)
    assert tell(bench, "b", "down") == 1


# -- wake-ups ------------------------------------------------------------------


def wake(bench: Bench, rates: Rates = FREE) -> tuple[int, int | None]:
    return bench.run(calls.wake(rates))


def test_as_many_as_idle_children(bench: Bench) -> None:
    """One for each living child that is not in a shift, and not again."""
    bench.load()
    live(bench, "a", "b")
    bench.run(calls.renew("c", [], in_shift=True))
    assert wake(bench) == (2, 0)
    assert wake(bench) == (0, 0)
    bench.run(calls.enter("a"))
    assert wake(bench) == (0, 0)
    bench.run(calls.enter("b"))
    bench.run(calls.renew("a", [], in_shift=False))
    assert wake(bench) == (1, 0)


def test_lost_wake_ups(bench: Bench) -> None:
    """What nobody took is forgotten after three seconds, and published again."""
    bench.load()
    live(bench, "a")
    assert wake(bench) == (1, 0)
    assert 2000 < bench.redis.pttl(key("wakes")) <= 3000
    bench.redis.delete(key("wakes"))
    assert wake(bench) == (1, 0)


def test_one_wake_up_too_many(bench: Bench) -> None:
    """A shift that nobody called (the client did) is not counted below nothing."""
    bench.load()
    bench.run(calls.enter("a"))
    bench.run(calls.renew("a", [], in_shift=False))
    assert wake(bench) == (1, 0)


def test_no_child_no_wake_up(bench: Bench) -> None:
    """Nobody lives, so nobody is called; also once they have been silent too long."""
    bench.load()
    assert wake(bench) == (0, 0)
    live(bench, "a")
    bench.clock.forward(HEARTBEAT_MS)
    assert wake(bench) == (0, 0)


@pytest.mark.parametrize(
    ("prepare", "due_ms"),
    [
        ("nothing", None),
        ("ready", 0),
        ("scheduled", 7000),
        ("retry", 1500),
        ("throttled", 2500),
        ("done", None),
        ("paused", None),
    ],
)
def test_when_something_is_due(bench: Bench, prepare: str, due_ms: int | None) -> None:
    """The clock rests exactly until there is something to do."""
    live(bench, "a")
    if prepare == "scheduled":
        bench.load(starts_at=NOW_MS + 7000)
    elif prepare != "nothing":
        bench.load(groups=1)
    if prepare in ("retry", "done"):
        bench.claim()
        bench.gate()
        verdict = "retry" if prepare == "retry" else "failed"
        bench.settle(verdict, delay_ms=1500)
    if prepare == "throttled":
        throttle(bench, 2.5)
    if prepare == "paused":
        bench.control("pause")
    assert wake(bench) == (int(due_ms == 0), due_ms)


def test_due_when_the_account_is_out_of_debt(bench: Bench) -> None:
    """Before that no child could send anything."""
    rates = Rates(account=1)
    bench.load(groups=2)
    bench.claim(1, rates=rates)
    bench.gate(rates=rates)
    live(bench, "a")
    assert wake(bench, rates) == (0, 9750)
    bench.clock.forward(9750)
    assert wake(bench, rates) == (1, 0)


def test_wake_sweeps_locks(bench: Bench) -> None:
    """Expired locks do not pile up."""
    bench.sent()
    bench.settle("accepted", detail="m")
    bench.clock.forward(9999)
    wake(bench)
    assert bench.redis.zcard(key("locks")) == 1
    bench.clock.forward(1)
    wake(bench)
    assert bench.redis.zcard(key("locks")) == 0


def test_one_child_ticks(bench: Bench) -> None:
    """The first takes the lease and keeps it; another gets it when it ends."""
    assert bench.ledger.hold(key("tick"), "a", 3000)
    assert not bench.ledger.hold(key("tick"), "b", 3000)
    assert bench.ledger.hold(key("tick"), "a", 3000)
    assert 2000 < bench.redis.pttl(key("tick")) <= 3000
    bench.redis.delete(key("tick"))
    assert bench.ledger.hold(key("tick"), "b", 3000)
    assert not bench.ledger.hold(key("tick"), "a", 3000)
