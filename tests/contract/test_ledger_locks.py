"""Locks: two unresolved messages to the same people could not be told apart."""

from __future__ import annotations

import pytest

from dispatcher.ledger.calls import Refusal
from tests.bench import Bench, ticket

LOCK = "same-people"
MINUTE = 60_000
HALF_HOUR = 30 * MINUTE


def two(bench: Bench) -> None:
    """Two campaigns, one group each, to the same people from the same sender."""
    bench.load("a", 1)
    bench.load("b", 1)
    bench.claim()


def gate(bench: Bench, id_: str, serial: int = 1) -> int:
    return bench.gate(id_=id_, serial=serial, lock=LOCK)


def settle(bench: Bench, id_: str, verdict: str, delay_ms: int = 0) -> int:
    return bench.settle(*(verdict, 0, 1, "x"), id_=id_, lock=LOCK, delay_ms=delay_ms)


def locked(bench: Bench) -> float | None:
    return bench.locked_ms(LOCK)


def test_a_second_group_is_refused(bench: Bench) -> None:
    """While one is on its way no other to the same people leaves."""
    two(bench)
    assert gate(bench, "a") == 0
    assert gate(bench, "b") == Refusal.LOCKED
    assert locked(bench) == HALF_HOUR
    assert bench.counts("b") == {"claimed": 1}


def test_within_one_call(bench: Bench) -> None:
    """Two in the same call: the first passes."""
    two(bench)
    items = [ticket(id_="a", lock=LOCK), ticket(id_="b", lock=LOCK)]
    assert bench.gates(items) == [0, Refusal.LOCKED]


@pytest.mark.parametrize(
    ("verdicts", "bars_ms"),
    [
        (["failed"], None),
        (["retry"], None),
        (["back"], None),
        (["accepted"], 10_000),
        (["unknown"], HALF_HOUR),
        (["unknown", "hold"], HALF_HOUR),
        (["unknown", "accepted"], 10_000),
        (["unknown", "retry"], None),
        (["unknown", "failed"], None),
        (["unknown", "hold", "retry"], None),
        (["unknown", "hold", "accepted"], 10_000),
        (["unknown", "hold", "ask"], None),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_how_long_it_bars(
    bench: Bench, verdicts: list[str], bars_ms: int | None
) -> None:
    """Freed by not-sent, 10 s more after accepted, kept while nobody knows."""
    two(bench)
    gate(bench, "a")
    for verdict in verdicts:
        assert settle(bench, "a", verdict) == 1
    assert locked(bench) == bars_ms
    if bars_ms is None:
        assert gate(bench, "b") == 0
        return
    bench.clock.forward(bars_ms - 1)
    assert gate(bench, "b") == Refusal.LOCKED
    bench.clock.forward(1)
    assert gate(bench, "b") == 0


def test_a_dead_worker_s_lock_stays(bench: Bench) -> None:
    """Taken back as unknown, it may have arrived: half an hour from the gate."""
    two(bench)
    gate(bench, "a")
    bench.clock.forward(MINUTE)
    bench.lapse()
    assert locked(bench) == HALF_HOUR - MINUTE


def test_its_own_lock_bars_nobody(bench: Bench) -> None:
    """A quick second try holds the lock already and takes it anew."""
    two(bench)
    gate(bench, "a")
    bench.clock.forward(MINUTE)
    item = ticket(serial=2, id_="a", lock=LOCK, spent=0)
    assert bench.gates([item]) == [0]
    assert locked(bench) == HALF_HOUR


def test_a_repeated_answer_does_not_lock_again(bench: Bench) -> None:
    """The ten seconds count from the first proof."""
    two(bench)
    gate(bench, "a")
    settle(bench, "a", "accepted")
    bench.clock.forward(4000)
    assert settle(bench, "a", "accepted") == 0
    assert locked(bench) == 6000


def test_a_late_refusal_frees_nothing(bench: Bench) -> None:
    """What was settled holds no lock: a repeated verdict must not free another's."""
    two(bench)
    gate(bench, "a")
    settle(bench, "a", "retry", delay_ms=MINUTE)
    gate(bench, "b")
    for verdict in ("retry", "failed", "back", "unknown", "hold", "ask"):
        assert settle(bench, "a", verdict) == 0
    assert locked(bench) == HALF_HOUR


def test_asking_for_a_failed_group_frees_nothing(bench: Bench) -> None:
    """Its lock was freed when it failed; who holds it now is still on its way."""
    two(bench)
    gate(bench, "a")
    settle(bench, "a", "failed")
    gate(bench, "b")
    assert settle(bench, "a", "ask") == 1
    bench.claim()
    assert gate(bench, "a", 2) == Refusal.LOCKED


def test_late_proof_shortens_no_other_lock(bench: Bench) -> None:
    """Proof for a group that waits again, while another to the same people is out."""
    two(bench)
    gate(bench, "a")
    settle(bench, "a", "retry", delay_ms=MINUTE)
    gate(bench, "b")
    assert settle(bench, "a", "accepted") == 1
    assert locked(bench) == HALF_HOUR


def test_an_expired_lock_is_no_longer_its_own(bench: Bench) -> None:
    """After half an hour another may hold it; the first's end changes nothing."""
    two(bench)
    gate(bench, "a")
    settle(bench, "a", "unknown")
    bench.clock.forward(HALF_HOUR)
    bench.lapse()
    bench.claim()
    assert gate(bench, "b", 2) == 0
    settle(bench, "a", "hold")
    assert settle(bench, "a", "ask") == 1
    assert locked(bench) == HALF_HOUR


def test_locks_of_a_late_proof(bench: Bench) -> None:
    """Proof where nothing is locked any more bars for ten seconds, too."""
    two(bench)
    gate(bench, "a")
    settle(bench, "a", "retry")
    assert settle(bench, "a", "accepted") == 1
    assert locked(bench) == 10_000
