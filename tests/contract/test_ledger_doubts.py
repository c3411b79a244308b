"""The list of doubts on a real server: what is listed, what is due, and for whom."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.doubts import Doubt, Doubts, due_doubts
from dispatcher.ledger.keys import key
from tests.bench import DAWN_US, SENDER, TOKEN, Bench

DAWN_MS = DAWN_US // 1000
DELAY_MS = 2000


def due(bench: Bench, child: str = "A", limit: int = 10) -> Doubts | None:
    return bench.run(due_doubts(child, limit))


def doubts(bench: Bench, limit: int = 10) -> list[Doubt]:
    """What is due."""
    answer = due(bench, limit=limit)
    assert answer is not None
    return answer.due


def lose(bench: Bench, groups: int = 1) -> None:
    """So many groups are written, and nobody hears of them again."""
    bench.sent(groups)
    bench.clock.forward(500)
    for group in range(groups):
        bench.settle("unknown", group, detail="timeout")


def change(bench: Bench, *names: str, at_ms: float | None = None) -> None:
    """Look for doubts later, or no more."""

    async def changes() -> None:
        ledger = AsyncLedger(bench.url)
        for name in names:
            if at_ms is None:
                await ledger.drop_doubt(name)
            else:
                await ledger.look_again(name, at_ms)
        await ledger.aclose()

    asyncio.run(changes())


NAME = f"c|0|1|{DAWN_MS}"


def test_a_doubt(bench: Bench) -> None:
    """Listed when its group is unknown, due after the delay, with all that is known."""
    lose(bench)
    answer = due(bench)
    assert answer == Doubts(DAWN_MS + 500, False, DELAY_MS, [])
    bench.clock.forward(DELAY_MS)
    assert doubts(bench) == [
        Doubt(
            *(NAME, "c", "load-c", SENDER, 0),
            *(1, DAWN_MS, 1, 0, DAWN_MS + 500),
        )
    ]
    assert doubts(bench)[0].is_open
    assert SENDER not in repr(doubts(bench))


def test_nothing_is_unknown(bench: Bench) -> None:
    """What is on the wire, or answered, is in no doubt."""
    bench.sent(2)
    bench.settle("accepted", 0, detail="m1")
    assert due(bench) == Doubts(DAWN_MS, False, None, [])


def test_one_child_at_a_time(bench: Bench) -> None:
    """The others get nothing while its lease lasts; asking renews it."""
    lose(bench)
    assert due(bench, "A") is not None
    assert due(bench, "B") is None
    bench.redis.pexpire(key("reconciler"), 1000)
    assert due(bench, "A") is not None
    assert bench.redis.pttl(key("reconciler")) > 29_000
    bench.redis.delete(key("reconciler"))
    assert due(bench, "B") is not None
    assert due(bench, "A") is None


@pytest.mark.parametrize("verdict", ["hold", "retry", "failed"])
def test_nobody_needs_to_look_for_it_to_be_listed(bench: Bench, verdict: str) -> None:
    """Listed by what makes it unknown: it may be held before anybody looks."""
    lose(bench)
    bench.settle(verdict, token="", detail="400")
    bench.clock.forward(DELAY_MS)
    assert [doubt.name for doubt in doubts(bench)] == [NAME]


def test_a_worker_that_died(bench: Bench) -> None:
    """What it was sending is listed when its lease has ended."""
    bench.sent(1)
    bench.lapse(TOKEN)
    bench.clock.forward(DELAY_MS)
    assert [doubt.name for doubt in doubts(bench)] == [NAME]


def test_told_twice(bench: Bench) -> None:
    """A repetition does not bring the next look forward."""
    lose(bench)
    change(bench, NAME, at_ms=DAWN_MS + 9000.5)
    bench.settle("unknown", detail="timeout")
    assert bench.redis.zscore(key("doubts"), NAME) == DAWN_MS + 9001


def test_what_is_dropped_is_not_looked_for(bench: Bench) -> None:
    """Nor does planning bring it back."""
    lose(bench)
    due(bench)
    bench.settle("hold", token="")
    change(bench, NAME)
    change(bench, NAME, at_ms=DAWN_MS)
    bench.clock.forward(DELAY_MS)
    assert doubts(bench) == []
    assert bench.redis.exists(key("doubts")) == 0


@pytest.mark.parametrize("verdict", ["hold", "retry", "failed"])
def test_it_stays_when_the_group_moves_on(bench: Bench, verdict: str) -> None:
    """Held, sent again or failed: its message may be found yet. It is not open."""
    lose(bench)
    due(bench)
    bench.settle(verdict, token="", detail="400")
    bench.clock.forward(DELAY_MS)
    (doubt,) = doubts(bench)
    assert (doubt.serial, doubt.newest, doubt.unknown_at) == (1, 1, None)
    assert not doubt.is_open


def test_each_write_has_its_own(bench: Bench) -> None:
    """Sent again and lost again: two doubts, of which the newer one is open."""
    lose(bench)
    due(bench)
    bench.settle("retry", token="")
    bench.again()
    bench.settle("unknown", serial=2, detail="timeout")
    due(bench)
    bench.clock.forward(DELAY_MS)
    found = doubts(bench)
    assert [(doubt.serial, doubt.is_open) for doubt in found] == [(1, False), (2, True)]
    assert [doubt.gated_at - DAWN_MS for doubt in found] == [0, 500]


def test_proven_by_somebody_else(bench: Bench) -> None:
    """Accepted under the only serial there is: nothing is left to look for."""
    lose(bench)
    due(bench)
    bench.settle("accepted", token="", detail="m1")
    bench.clock.forward(DELAY_MS)
    assert doubts(bench) == []
    assert bench.redis.exists(key("doubts")) == 0


@pytest.mark.parametrize("before", ["unknown", "held", None])
def test_accepted_without_an_id(bench: Bench, before: str | None) -> None:
    """It is looked for, for its id; found, there is nothing left to look for."""
    bench.sent(1)
    if before:
        bench.settle("unknown", detail="timeout")
    if before == "held":
        bench.settle("hold", token="")
    bench.settle("accepted", token="")
    bench.clock.forward(DELAY_MS)
    (doubt,) = doubts(bench)
    assert (doubt.name, doubt.is_open) == (NAME, False)
    assert bench.settle("accepted", token="", detail="m1") == 1
    assert doubts(bench) == []
    assert bench.row().doubled == 0


def test_the_id_of_an_earlier_write(bench: Bench) -> None:
    """It is not the id of the one that was accepted without any: two were taken."""
    lose(bench)
    bench.settle("retry", token="")
    bench.again()
    bench.settle("accepted", serial=2)
    bench.settle("accepted", serial=1, token="", detail="m1")
    assert (bench.record().tail, bench.row().doubled) == ("", 1)
    bench.settle("accepted", serial=2, token="", detail="m2")
    assert (bench.record().tail, bench.row().doubled) == ("m2", 1)


def test_a_limit(bench: Bench) -> None:
    """Those due the longest come first; that there are more is told."""
    lose(bench, 3)
    due(bench)
    bench.clock.forward(DELAY_MS)
    change(bench, f"c|2|1|{DAWN_MS}", at_ms=DAWN_MS)
    answer = due(bench, limit=2)
    assert answer is not None
    assert ([doubt.group for doubt in answer.due], answer.more) == ([2, 0], True)
    assert due(bench, limit=4) is not None
    assert not answer.wait


def test_a_campaign_that_is_gone(bench: Bench) -> None:
    """Its doubts go, too."""
    lose(bench)
    due(bench)
    bench.redis.delete(key("campaign", "c"))
    bench.checked = False
    bench.clock.forward(DELAY_MS)
    assert doubts(bench) == []
    assert bench.redis.zcard(key("doubts")) == 0
