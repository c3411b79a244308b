"""The latest errors of a campaign: what workers were told, newest first, few."""

from __future__ import annotations

from dispatcher.ledger.keys import key
from dispatcher.ledger.mishaps import Mishap, mishaps
from tests.bench import Bench


def latest(bench: Bench) -> list[Mishap]:
    return list(mishaps(bench.ledger.list_of(key("mishaps", "load-c"))))


def test_newest_first(bench: Bench) -> None:
    """With time, group, what followed and the code, whatever signs that holds."""
    bench.sent(3)
    bench.settle("failed", 0, detail="400 bad|worse")
    first = bench.clock.ms
    bench.clock.forward(1000)
    bench.settle("retry", 1, detail="500 <b>")
    bench.settle("unknown", 2, detail="timeout")
    assert latest(bench) == [
        Mishap(first + 1000, 2, "unknown", "timeout"),
        Mishap(first + 1000, 1, "retry", "500 <b>"),
        Mishap(first, 0, "failed", "400 bad|worse"),
    ]


def test_no_error(bench: Bench) -> None:
    """An acceptance, what a person decides, and what changes nothing."""
    bench.sent(2)
    bench.settle("accepted", 0, detail="m1")
    bench.settle("failed", 0, detail="400 late")
    bench.settle("unknown", 1, detail="timeout")
    bench.settle("hold", 1)
    bench.settle("retry", 1, detail="timeout", token="")
    assert [mishap.verdict for mishap in latest(bench)] == ["unknown"]


def test_few_are_kept(bench: Bench) -> None:
    """However many go wrong."""
    bench.checked = False
    bench.sent(30)
    for group in range(30):
        bench.settle("failed", group, detail="400")
    assert [mishap.group for mishap in latest(bench)] == list(range(29, 9, -1))
