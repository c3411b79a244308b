"""Settle: every verdict on a group in every state, on time, late and repeated."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.calls import Settlement, Verdict
from dispatcher.ledger.states import GROUP_MOVES, GroupState
from tests.bench import DAWN_US, TOKEN, Bench, lock_of

NOW_MS = DAWN_US // 1000

#: How group 0 gets into each state: what is done after it was claimed (and gated,
#: for all but the first three).
WAYS: dict[str, list[str]] = {
    "pending": [],
    "claimed": ["claim"],
    "sending": ["claim", "gate"],
    "retry": ["claim", "gate", "retry"],
    "accepted": ["claim", "gate", "accepted"],
    "failed": ["claim", "gate", "failed"],
    "unknown": ["claim", "gate", "unknown"],
    "held": ["claim", "gate", "unknown", "hold"],
    "cancelled": ["claim", "gate", "retry", "cancel"],
}
#: Serial of the state: what every verdict below is about.
SERIAL = {"pending": 0, "claimed": 0}

#: verdict -> {state before: state after}; in any other state it changes nothing.
TABLE: dict[str, dict[str, str]] = {
    "accepted": dict.fromkeys(set(WAYS) - {"accepted"}, "accepted"),
    "failed": {"sending": "failed", "unknown": "failed", "held": "failed"},
    "retry": {"sending": "retry", "unknown": "retry", "held": "retry"},
    "back": {"claimed": "pending", "sending": "retry"},
    "cancel": {"claimed": "cancelled"},
    "unknown": {"sending": "unknown"},
    "hold": {"unknown": "held"},
    "ask": {"failed": "retry", "held": "retry"},
}


def into(bench: Bench, state: str) -> int:
    """Bring group 0 into a state; its serial."""
    bench.load(groups=2)
    for step in WAYS[state]:
        if step == "claim":
            bench.claim(1)
        elif step == "gate":
            assert bench.gate() == 0
        elif step == "cancel":
            bench.control("cancel", "by hand")
        else:
            assert bench.settle(step, detail="first") == 1
    assert bench.state() == state
    return SERIAL.get(state, 1)


def test_the_table_moves_legally() -> None:
    """Every move of this table is one that some event allows."""
    legal = {
        (before.word, after.word)
        for moves in GROUP_MOVES.values()
        for before, after in moves.items()
    }
    moves = {pair for moves in TABLE.values() for pair in moves.items()}
    assert moves <= legal
    assert set(TABLE) == set(Verdict)
    assert set(WAYS) == {state.word for state in GroupState}


@pytest.mark.parametrize("verdict", TABLE)
@pytest.mark.parametrize("state", WAYS)
def test_verdict(bench: Bench, state: str, verdict: str) -> None:
    """Each verdict from each state; said twice it changes nothing more."""
    serial = into(bench, state)
    after = TABLE[verdict].get(state)
    before = bench.dump()
    # What is proven taken was written, so it has a serial.
    serial = max(serial, 1) if verdict == "accepted" else serial
    detail = "first" if state == "accepted" else "second"
    assert bench.settle(verdict, 0, serial, detail) == int(after is not None)
    assert bench.state() == (after or state)
    if after is None:
        assert bench.dump() == before
        return
    kept = {"hold": "first"}
    assert bench.record().tail == kept.get(verdict, detail)
    before = bench.dump()
    assert bench.settle(verdict, 0, serial, detail) == 0
    assert bench.dump() == before


@pytest.mark.parametrize("verdict", TABLE)
@pytest.mark.parametrize("state", ["sending", "unknown", "held", "failed", "claimed"])
def test_another_token(bench: Bench, state: str, verdict: str) -> None:
    """An answer is true whoever brings it; what ends a claim needs its token."""
    serial = into(bench, state)
    after = None if verdict in ("back", "cancel") else TABLE[verdict].get(state)
    serial = max(serial, 1) if verdict == "accepted" else serial
    answer = bench.settle(verdict, 0, serial, "late", token="T2")
    assert (answer, bench.state()) == (int(after is not None), after or state)


#: As `WAYS`, for a group that was sent before and is claimed again.
AGAIN: dict[str, list[str]] = {
    "claimed": [],
    "sending": ["gate"],
    "unknown": ["gate", "unknown"],
    "held": ["gate", "unknown", "hold"],
    "failed": ["gate", "failed"],
    "retry": ["gate", "retry"],
}
#: All but proof; and what ends a claim means the claim, whose serial is an old one.
STALE = [
    (verdict, state)
    for verdict in sorted(set(TABLE) - {"accepted"})
    for state in AGAIN
    if (verdict, state) not in {("back", "claimed"), ("cancel", "claimed")}
]


@pytest.mark.parametrize("serial", [1, 3])
@pytest.mark.parametrize(("verdict", "state"), STALE)
def test_another_serial(bench: Bench, state: str, verdict: str, serial: int) -> None:
    """All but proof of acceptance settles its own serial only, not an old one."""
    bench.sent()
    bench.settle("retry")
    bench.claim()
    for step in AGAIN[state]:
        if step == "gate":
            assert bench.gate(serial=2) == 0
        else:
            assert bench.settle(step, serial=2) == 1
    assert bench.state() == state
    before = bench.dump()
    assert bench.settle(verdict, serial=serial) == 0
    assert bench.dump() == before


def test_back_means_only_what_is_reserved(bench: Bench) -> None:
    """Given back and claimed by another: the first one's `back` is nothing to it."""
    into(bench, "claimed")
    bench.settle("back", serial=0)
    assert bench.claimed(1, token="T2") == [("c", 0)]
    assert bench.settle("back", serial=0) == 0
    assert bench.gate(token="T2") == 0


def test_back_after_a_lost_gate_reply(bench: Bench) -> None:
    """The gate may or may not have passed it: either way it comes back, unsent."""
    bench.load(groups=2)
    bench.claim()
    bench.gate(0)
    for group in (0, 1):
        assert bench.settle("back", group, 1) == 1
        assert bench.settle("back", group, 0) == 0
    assert bench.counts() == {"retry": 1, "pending": 1}
    assert bench.claimed() == [("c", 0), ("c", 1)]


def test_retry_costs_what_it_says(bench: Bench) -> None:
    """Attempts and the due time are recorded; the code stays until the next try."""
    bench.sent()
    bench.settle("retry", detail="500 internal", spent=1, delay_ms=15_000)
    record = bench.record()
    assert (record.attempts, record.tail) == (1, "500 internal")
    assert bench.claim().wait_ms == 15_000
    bench.clock.forward(15_000)
    bench.again()
    bench.settle("retry", serial=2, detail="429", delay_ms=0)
    assert bench.record().attempts == 1


def test_back_costs_nothing(bench: Bench) -> None:
    """What was handed back is neither an attempt nor a crash."""
    into(bench, "claimed")
    bench.settle("back", serial=0, spent=0, delay_ms=700)
    record = bench.record()
    assert (record.attempts, record.crashes, record.serial) == (0, 0, 0)
    assert bench.claimed(5) == [("c", 1)]
    assert bench.claim().wait_ms == 700


def test_ask_begins_anew(bench: Bench) -> None:
    """Asked for by a person, all attempts are there again; the error stays told."""
    bench.sent()
    bench.settle("retry", spent=4)
    bench.again()
    bench.settle("failed", 0, 2, "attempts used up")
    assert bench.settle("ask", 0, 2, "attempts used up") == 1
    record = bench.record()
    assert (record.attempts, record.serial) == (0, 2)
    assert record.tail == "attempts used up"


def test_unknown_is_noted_with_its_time(bench: Bench) -> None:
    """The grace time counts from when it became unknown."""
    bench.sent(2)
    bench.settle("unknown", 0, detail="timeout")
    bench.clock.forward(5000)
    bench.settle("unknown", 1, detail="timeout")
    assert bench.ledger.unknown_before(NOW_MS - 1, 10) == []
    assert bench.ledger.unknown_before(NOW_MS + 4999, 10) == [("c", 0)]
    assert bench.ledger.unknown_before(NOW_MS + 5000, 10) == [("c", 0), ("c", 1)]
    assert bench.ledger.unknown_before(NOW_MS + 5000, 1) == [("c", 0)]


def test_unknown_campaign(bench: Bench) -> None:
    """A verdict on what this ledger never had changes nothing and harms no other."""
    bench.sent()
    lost = Settlement("gone", 0, 1, Verdict.ACCEPTED, "L", "m")
    found = Settlement("c", 0, 1, Verdict.ACCEPTED, lock_of(0), "m")
    assert bench.run(calls.settle(TOKEN, [lost, found])) == [0, 1]


def test_many_at_once(bench: Bench) -> None:
    """Two hundred verdicts of one call, each with its own answer, over two chunks."""
    bench.checked = False
    bench.sent(200)
    verdicts = [Verdict.ACCEPTED, Verdict.FAILED, Verdict.RETRY, Verdict.UNKNOWN]
    items = [
        Settlement("c", group, 1, verdicts[group % 4], lock_of(group), f"d{group}")
        for group in range(200)
    ]
    assert bench.run(calls.settle(TOKEN, items)) == [1] * 200
    expected = dict.fromkeys(("accepted", "failed", "retry", "unknown"), 50)
    assert bench.counts() == expected
    assert bench.run(calls.settle(TOKEN, items)) == [0] * 200
    bench.check()
