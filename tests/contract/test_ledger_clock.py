"""Redis's clock jumps by an hour: nothing is sent twice, and nothing is left behind."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.calls import Rates
from tests.bench import FREE, LAPSE_MS, SIZE, Bench, ticket

HOUR_MS = 3_600_000
#: One group a second.
RATES = Rates(account=float(SIZE))


@pytest.fixture
def under_way(bench: Bench) -> Bench:
    """Groups sent, to be retried, reserved, and not begun yet."""
    bench.load(groups=4)
    bench.claim(3)
    assert bench.gates([ticket(0), ticket(1)]) == [0, 0]
    bench.settle("retry", 1, detail="500", delay_ms=5000, spent=1)
    bench.run(calls.lapse())
    return bench


def finish(bench: Bench) -> None:
    """Prove what was sent, send what is left: each group is accepted, once."""
    assert bench.settle("accepted", 0, detail="m0") == 1
    bench.lapse()
    # One that was reserved when its holder died goes alone.
    while groups := bench.claim(10, token="T2").groups:
        for claimed in groups:
            group, serial = claimed.group, claimed.serial + 1
            assert bench.gate(group, serial, token="T2") == 0
            bench.settle("accepted", group, serial, f"m{group}", token="T2")
    assert bench.counts() == {"accepted": 4}
    assert (bench.campaign(), bench.row().doubled) == ("done", 0)


def test_forwards(under_way: Bench) -> None:
    """Leases of the living do not lapse by it; what they hold lapses when they died."""
    bench = under_way
    bench.clock.forward(HOUR_MS)
    assert bench.run(calls.lapse()).returned == 0, "nobody had a chance to renew"
    assert bench.counts()["claimed"] == 1
    assert bench.settle("accepted", 0, detail="m0") == 1
    bench.run(calls.renew("a", ["T1"], in_shift=True))
    assert bench.gate(2) == 0
    bench.settle("accepted", 2, detail="m2")
    assert sorted(bench.claimed(10)) == [("c", 1), ("c", 3)]
    bench.clock.forward(LAPSE_MS)
    assert bench.lapse().returned == 2


def test_backwards(under_way: Bench) -> None:
    """A living child goes on; what is due at a time waits until the clock is there."""
    bench = under_way
    bench.clock.forward(-HOUR_MS)
    bench.run(calls.renew("a", ["T1"], in_shift=True))
    assert bench.gate(2) == 0
    bench.settle("accepted", 2, detail="m2")
    assert bench.claimed(10) == [("c", 3)]
    bench.settle("back", 3, 0)
    bench.clock.forward(HOUR_MS + LAPSE_MS)
    finish(bench)


def test_backwards_and_the_holder_died(under_way: Bench) -> None:
    """Its lease ends when the clock has caught up, and never twice."""
    bench = under_way
    bench.clock.forward(-HOUR_MS)
    assert bench.lapse().returned == 0
    bench.clock.forward(HOUR_MS + LAPSE_MS)
    bench.lapse()
    assert bench.state(0) == "unknown"
    finish(bench)


@pytest.mark.parametrize("jump", [HOUR_MS, -HOUR_MS])
def test_the_rate(bench: Bench, jump: int) -> None:
    """Forwards one quarter second's worth at most, backwards nothing, for free."""
    bench.load(groups=9)
    bench.claim(9, rates=FREE)
    assert bench.gate(0, rates=RATES) == 0
    bench.clock.forward(jump)
    passed = 0
    for group in range(1, 9):
        passed += bench.gate(group, rates=RATES) == 0
    assert passed == (1 if jump > 0 else 0)
