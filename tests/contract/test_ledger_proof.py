"""Proof of acceptance: never lost, welcome at any time, and what doubled is counted."""

from __future__ import annotations

import pytest

from tests.bench import LAPSE_MS, Bench


def doubled(bench: Bench) -> int:
    return bench.row().doubled


def extras(bench: Bench) -> dict[str, str]:
    return bench.ledger.extra_ids(bench.row())


def lost_then_resent(bench: Bench) -> None:
    """Serial 1 is unknown and chosen to be sent again; serial 2 is on its way."""
    bench.sent()
    bench.settle("unknown")
    bench.settle("retry", token="")
    bench.again()


def test_proof_withdraws_a_queued_retry(bench: Bench) -> None:
    """A group proven taken is not sent again, though it waited for that."""
    bench.sent()
    bench.settle("unknown")
    bench.settle("retry", token="", delay_ms=1000)
    assert bench.settle("accepted", detail="m1", token="") == 1
    bench.clock.forward(1000)
    assert bench.claimed() == []
    assert bench.campaign() == "done"


def test_proof_under_a_claim(bench: Bench) -> None:
    """Reserved again and then proven: the gate refuses, nothing is given back."""
    bench.sent()
    bench.settle("retry")
    bench.claim()
    assert bench.settle("accepted", detail="m1", token="") == 1
    assert bench.gate(serial=2) == -1
    assert bench.settle("back") == 0
    bench.clock.forward(LAPSE_MS)
    bench.lapse()
    assert bench.record().tail == "m1"


def test_proof_after_a_failure(bench: Bench) -> None:
    """The failed group is accepted, and its error is taken out of the books."""
    bench.sent(2)
    for group in (0, 1):
        bench.settle("failed", group, detail="400 bad", sentence="no such sender")
    assert bench.ledger.error_counts(bench.row()) == {"400 bad": 2}
    assert bench.settle("accepted", detail="m1", token="") == 1
    row = bench.row()
    assert bench.ledger.error_counts(row) == {"400 bad": 1}
    assert bench.ledger.sentences(row, [0, 1]) == ["", "no such sender"]


def test_proof_after_cancelling(bench: Bench) -> None:
    """Cancelled while it waited, and yet it had arrived: the books say so."""
    bench.sent(2)
    bench.settle("retry")
    bench.control("cancel", "by hand")
    assert bench.counts() == {"cancelled": 1, "sending": 1}
    assert bench.settle("accepted", detail="m1", token="") == 1
    assert bench.counts() == {"accepted": 1, "sending": 1}
    assert bench.campaign() == "cancelled(by hand)"


def test_newer_serial_on_its_way(bench: Bench) -> None:
    """Serial 1 is proven while 2 is out: kept as a further id and counted."""
    lost_then_resent(bench)
    assert bench.settle("accepted", 0, 1, "m1", token="") == 1
    assert (bench.state(), doubled(bench)) == ("sending", 1)
    assert extras(bench) == {"0:1": "m1"}
    assert bench.settle("accepted", 0, 1, "m1", token="") == 0
    assert bench.settle("accepted", 0, 2, "m2") == 1
    assert (bench.record().tail, doubled(bench)) == ("m2", 1)
    assert bench.settle("accepted", 0, 1, "m1", token="") == 0
    assert doubled(bench) == 1


@pytest.mark.parametrize("verdict", ["failed", "retry", "back"])
def test_newer_serial_proven_unsent(bench: Bench, verdict: str) -> None:
    """It was accepted once, then, and not doubled."""
    lost_then_resent(bench)
    bench.settle("accepted", 0, 1, "m1", token="")
    assert bench.settle(verdict, 0, 2, "500", spent=1) == 1
    assert (bench.state(), bench.record().tail) == ("accepted", "m1")
    assert (doubled(bench), extras(bench)) == (0, {})
    assert bench.campaign() == "done"
    assert bench.locked_ms() == 10_000


def test_newer_serial_never_resolved(bench: Bench) -> None:
    """Whatever became of serial 2, somebody got serial 1: accepted, not held."""
    lost_then_resent(bench)
    bench.settle("accepted", 0, 1, "m1", token="")
    bench.settle("unknown", 0, 2, "timeout")
    assert bench.state() == "unknown"
    assert bench.settle("hold", 0, 2, token="") == 1
    assert (bench.record().tail, doubled(bench)) == ("m1", 0)
    assert bench.settle("accepted", 0, 2, "m2", token="") == 1
    assert (doubled(bench), extras(bench)) == (1, {"0:2": "m2"})


def test_the_older_serial_proven_again_counts_once(bench: Bench) -> None:
    """Each member's callback is proof of the same message, and not of a further one."""
    lost_then_resent(bench)
    bench.settle("accepted", 0, 1, "m1", token="")
    bench.settle("unknown", 0, 2, "timeout")
    assert bench.settle("accepted", 0, 1, "m1", token="") == 1
    assert (bench.state(), bench.record().tail) == ("accepted", "m1")
    assert (doubled(bench), extras(bench)) == (0, {})


def test_the_worker_of_the_newer_serial_dies(bench: Bench) -> None:
    """The same when nobody even reported serial 2."""
    lost_then_resent(bench)
    bench.settle("accepted", 0, 1, "m1", token="")
    bench.clock.forward(LAPSE_MS)
    bench.lapse()
    assert bench.settle("hold", 0, 2, token="") == 1
    assert bench.record().tail == "m1"


def test_newer_serial_unknown(bench: Bench) -> None:
    """Serial 2 is unknown when 1 is proven: accepted; doubled if 2 is proven too."""
    lost_then_resent(bench)
    bench.settle("unknown", 0, 2, "timeout")
    assert bench.settle("accepted", 0, 1, "m1", token="") == 1
    assert (bench.state(), doubled(bench)) == ("accepted", 0)
    assert bench.settle("retry", 0, 2, token="") == 0
    assert bench.settle("accepted", 0, 2, "m2", token="") == 1
    assert (bench.record().tail, doubled(bench)) == ("m1", 1)


def test_three_serials(bench: Bench) -> None:
    """Two old ones proven while a third is out and not taken: one further message."""
    lost_then_resent(bench)
    assert bench.gate(serial=3, spent=0) == 0
    bench.settle("accepted", 0, 2, "m2", token="")
    bench.settle("accepted", 0, 1, "m1", token="")
    assert doubled(bench) == 2
    bench.settle("retry", 0, 3)
    assert (bench.record().tail, extras(bench)) == ("m1", {"0:2": "m2"})


def test_a_further_id_for_an_accepted_group(bench: Bench) -> None:
    """Another id for it is another message; the same id again is not."""
    bench.sent()
    bench.settle("accepted", detail="m1")
    assert bench.settle("accepted", detail="m1", token="") == 0
    assert bench.settle("accepted", detail="m2", token="") == 1
    assert bench.settle("accepted", detail="m2", token="") == 0
    assert (bench.record().tail, doubled(bench)) == ("m1", 1)


def test_an_id_that_comes_later(bench: Bench) -> None:
    """Accepted without a readable id: the first id told fills the gap, uncounted."""
    bench.sent()
    assert bench.settle("accepted") == 1
    assert bench.settle("accepted") == 0
    assert bench.settle("accepted", detail="m1", token="") == 1
    assert bench.settle("accepted", token="") == 0
    assert (bench.record().tail, doubled(bench)) == ("m1", 0)


def test_unknown_never_overwrites(bench: Bench) -> None:
    """A worker gives up on an answer that somebody else already brought."""
    bench.sent()
    bench.settle("accepted", detail="m1", token="")
    assert bench.settle("unknown", detail="timeout") == 0
    assert bench.record().tail == "m1"
