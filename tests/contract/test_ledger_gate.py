"""The gate: who may write now, under which serial, and who may not and why."""

from __future__ import annotations

import pytest

from dispatcher.ledger.calls import Rates, Refusal
from tests.bench import DAWN_US, LAPSE_MS, Bench, ticket

NOW_MS = DAWN_US // 1000


def test_passing(bench: Bench) -> None:
    """The group is sending under its serial, with the time; the books know it."""
    bench.load(groups=2)
    bench.claim()
    assert bench.gate(1) == 0
    record = bench.record(1)
    assert (record.state.word, record.serial, record.gated_at) == ("sending", 1, NOW_MS)
    row = bench.row()
    assert (row.gated, row.gated_units, row.started_at) == (1, 10, NOW_MS)
    assert bench.counts() == {"claimed": 1, "sending": 1}


@pytest.mark.parametrize("serial", [0, 2, 3, 4_000_000_000])
def test_serial_must_be_the_next(bench: Bench, serial: int) -> None:
    """No serial is skipped or used again."""
    bench.load(groups=1)
    bench.claim()
    assert bench.gate(serial=serial) == Refusal.LOST
    assert bench.gate(serial=1) == 0


def test_serials_go_on(bench: Bench) -> None:
    """A group claimed again goes on with the next serial, whoever claims it."""
    bench.sent()
    bench.settle("retry")
    bench.claim(token="T2")
    assert bench.gate(serial=1, token="T2") == Refusal.LOST
    assert bench.gate(serial=2, token="T2") == 0
    assert bench.row().gated == 1


def test_fencing(bench: Bench) -> None:
    """Only the token of the claim passes."""
    bench.load(groups=1)
    bench.claim(token="T2")
    assert bench.gate(token="T1") == Refusal.LOST
    assert bench.gate(token="") == Refusal.LOST
    assert bench.gate(token="T2") == 0


def test_unknown_campaign(bench: Bench) -> None:
    """An id that the ledger does not know is lost, too; the others go on."""
    bench.load(groups=1)
    bench.claim()
    assert bench.gates([ticket(id_="gone"), ticket()]) == [Refusal.LOST, 0]


def test_a_repeated_call_lets_nothing_through(bench: Bench) -> None:
    """The reply got lost and somebody asks again: one serial, one write."""
    bench.load(groups=1)
    bench.claim()
    assert [bench.gate() for _ in range(3)] == [0, Refusal.LOST, Refusal.LOST]
    assert bench.row().gated_units == 10


def test_the_same_group_twice_in_one_call(bench: Bench) -> None:
    """Within one call as well."""
    bench.load(groups=1)
    bench.claim()
    assert bench.gates([ticket(), ticket()]) == [0, Refusal.LOST]


PREPARED = {
    "pending": [],
    "accepted": ["claim", "gate", "accepted"],
    "failed": ["claim", "gate", "failed"],
    "unknown": ["claim", "gate", "unknown"],
    "held": ["claim", "gate", "unknown", "hold"],
    "retry": ["claim", "gate", "retry"],
    "cancelled": ["cancel"],
}


@pytest.mark.parametrize("state", PREPARED)
def test_only_what_is_claimed_passes(bench: Bench, state: str) -> None:
    """From no other state does anything pass, with the next serial or another."""
    bench.load(groups=1)
    for step in PREPARED[state]:
        if step in ("claim", "gate"):
            getattr(bench, step)()
        elif step == "cancel":
            bench.control("cancel")
        else:
            bench.settle(step)
    assert bench.state() == state
    before = bench.dump()
    for serial in (1, 2):
        for spent in (-1, 0, 1):
            assert bench.gate(serial=serial, spent=spent) == Refusal.LOST
    assert bench.dump() == before


@pytest.mark.parametrize("command", ["pause", "cancel"])
def test_stopped(bench: Bench, command: str) -> None:
    """A campaign that is paused or cancelled lets nothing more through."""
    bench.load(groups=1)
    bench.claim()
    bench.control(command)  # type: ignore[arg-type]
    assert bench.gate() == Refusal.STOPPED
    assert bench.state() == "claimed"


def test_paused_and_resumed_under_a_claim(bench: Bench) -> None:
    """A pause is over when it is over: the claim still holds."""
    bench.load(groups=1)
    bench.claim()
    bench.control("pause")
    bench.control("resume")
    assert bench.gate() == 0


def test_expired(bench: Bench) -> None:
    """Nothing leaves after the campaign's end, to the millisecond."""
    bench.load(groups=2, expires_at=NOW_MS + 1000)
    bench.claim()
    bench.clock.forward(999)
    assert bench.gate(0) == 0
    bench.clock.forward(1)
    assert bench.gate(1) == Refusal.STOPPED
    bench.settle("back", 1, 0)
    assert bench.claimed() == []
    assert bench.campaign() == "cancelled(expired)"


# -- the quick second try ------------------------------------------------------


@pytest.mark.parametrize("spent", [0, 1])
def test_quick_second_try(bench: Bench, spent: int) -> None:
    """The serial before was proven unsent: on to the next, with what it cost."""
    bench.sent()
    assert bench.gate(serial=2, spent=spent) == 0
    record = bench.record()
    assert (record.state.word, record.serial) == ("sending", 2)
    assert record.attempts == spent
    assert bench.row().gated == 1
    assert bench.row().gated_units == 20
    assert bench.settle("unknown", serial=1) == 0
    assert bench.settle("accepted", serial=2, detail="m2") == 1


def test_no_second_serial_without_proof(bench: Bench) -> None:
    """From `sending` nothing passes unless the serial before was proven unsent."""
    bench.sent()
    assert bench.gate(serial=2) == Refusal.LOST


def test_second_try_of_another(bench: Bench) -> None:
    """Nor under another token."""
    bench.sent()
    assert bench.gate(serial=2, spent=0, token="T2") == Refusal.LOST


def test_second_try_after_the_lapse(bench: Bench) -> None:
    """Nor once the group was taken back: it counts as unknown now."""
    bench.sent()
    bench.clock.forward(LAPSE_MS)
    bench.lapse()
    assert bench.gate(serial=2, spent=0) == Refusal.LOST


def test_attempts_have_an_end(bench: Bench) -> None:
    """The counter is one byte; it stays at its end and does not begin again."""
    bench.load(groups=1)
    bench.claim()
    assert bench.gate() == 0
    for serial in range(2, 263):
        bench.checked = serial == 262
        assert bench.gate(serial=serial, spent=1) == 0
    assert bench.record().attempts == 255


# -- the canary ----------------------------------------------------------------


def test_canary(bench: Bench) -> None:
    """So many groups are gated, then the campaign is paused, with the reason."""
    bench.load(groups=5, stop_after=2)
    bench.claim()
    passed = bench.gates([ticket(group) for group in range(4)])
    assert passed == [0, 0, Refusal.CANARY, Refusal.CANARY]
    assert bench.campaign() == "paused(canary)"
    assert bench.gate(2) == Refusal.STOPPED


def test_canary_one_by_one(bench: Bench) -> None:
    """The same when they come in calls of their own."""
    bench.load(groups=3, stop_after=2)
    bench.claim()
    assert bench.gate(0) == 0
    assert bench.campaign() == "running"
    assert [bench.gate(1), bench.gate(2)] == [0, Refusal.STOPPED]


def test_retries_are_no_canaries(bench: Bench) -> None:
    """A retry of a counted group is not counted again."""
    bench.load(groups=3, stop_after=2)
    bench.claim(1)
    bench.gate(0)
    bench.settle("retry")
    bench.again(0, 2)
    assert bench.campaign() == "running"
    assert bench.gate(1) == 0
    assert bench.campaign() == "paused(canary)"


def test_after_the_canary(bench: Bench) -> None:
    """Resumed, it goes on to the end and stops no more."""
    bench.load(groups=4, stop_after=1)
    bench.claim(1)
    bench.gate(0)
    bench.settle("accepted", detail="m")
    bench.control("resume")
    bench.claim()
    assert bench.gates([ticket(group) for group in (1, 2, 3)]) == [0, 0, 0]


def test_two_hundred_at_once(bench: Bench) -> None:
    """The largest batch, over several chunks and campaigns, each with its answer."""
    bench.checked = False
    bench.load("a", 150)
    bench.load("b", 50)
    bench.claim(200)
    items = [ticket(group, id_="a") for group in range(150)]
    items += [ticket(group, id_="b") for group in range(50)]
    assert bench.gates(items, rates=Rates(account=1e6)) == [0] * 200
    bench.check()
