"""Opt-outs at the gate: nobody who is on a list is in a group that passes."""

from __future__ import annotations

import pytest

from dispatcher import books
from dispatcher.ledger import suppressions
from dispatcher.ledger.calls import Refusal, left_out
from dispatcher.ledger.codec import member_lock
from dispatcher.ledger.doubts import Doubt, due_doubts
from dispatcher.ledger.keys import key
from dispatcher.ledger.suppressions import ALL, Entry, Source
from tests.bench import SENDER, SIZE, TOKEN, Bench, lock_of, members_of, ticket

EVERYBODY = (1 << SIZE) - 1


def opt_out(bench: Bench, *places: int, group: int = 0, scope: str = ALL) -> None:
    """The members of a group at these places opt out."""
    members = members_of(group)
    entries = [Entry(members[place], Source.STOP) for place in places]
    bench.run(suppressions.add(entries, scope))


def lock_without(*places: int, group: int = 0) -> str:
    left = (m for i, m in enumerate(members_of(group)) if i not in places)
    return member_lock(SENDER + "c", tuple(left))


def claimed(bench: Bench, groups: int = 1) -> None:
    bench.load(groups=groups)
    bench.claim()


def test_the_gate_says_whom_to_leave_out(bench: Bench) -> None:
    """Nothing is charged and nothing begins; without them it passes."""
    claimed(bench)
    opt_out(bench, 0, 9)
    before = bench.dump()
    assert left_out(bench.gate()) == 0b10_0000_0001
    assert bench.dump() == before
    assert bench.gate(dropped=0b10_0000_0001, cost=8) == 0
    record = bench.record()
    assert (record.state.word, record.dropped) == ("sending", 0b10_0000_0001)
    assert bench.row().gated_units == 8


@pytest.mark.parametrize("scope", [ALL, SENDER])
def test_both_lists_bind(bench: Bench, scope: str) -> None:
    """The list of all senders, and the sender's own."""
    claimed(bench)
    opt_out(bench, 3, scope=scope)
    assert left_out(bench.gate()) == 1 << 3


def test_both_lists_together(bench: Bench) -> None:
    """One member on each."""
    claimed(bench)
    opt_out(bench, 3)
    opt_out(bench, 4, scope=SENDER)
    assert left_out(bench.gate()) == 0b11000


def test_another_sender_s_list(bench: Bench) -> None:
    """Binds that one only."""
    claimed(bench)
    opt_out(bench, 3, scope="+19195550000")
    assert bench.gate() == 0


def test_the_mask_is_whole(bench: Bench) -> None:
    """Those left out already are in it, also if they have opted in again."""
    claimed(bench)
    opt_out(bench, 1)
    assert left_out(bench.gate(dropped=0b100)) == 0b110
    bench.run(suppressions.remove([members_of(0)[1]]))
    assert bench.gate(dropped=0b110) == 0


def test_in_one_call(bench: Bench) -> None:
    """Each group has its own answer, and costs nothing to those beside it."""
    claimed(bench, 3)
    opt_out(bench, 2, group=1)
    answers = bench.gates([ticket(group) for group in range(3)])
    assert [answers[0], left_out(answers[1]), answers[2]] == [0, 0b100, 0]


def test_no_list_costs_next_to_nothing(bench: Bench) -> None:
    """As long as nobody opted out, no member is looked up: many ask like one."""
    bench.load(groups=51)
    bench.claim(51)
    bench.checked = False
    bench.gate(50)
    one, fifty = (
        looked_up(bench, groups=range(first, last)) for first, last in ((0, 1), (1, 50))
    )
    assert one == fifty


def looked_up(bench: Bench, groups: range) -> tuple[int, int]:
    """Look-ups that the gate made for so many groups."""
    bench.redis.config_resetstat()
    assert bench.gates([ticket(group) for group in groups]) == [0] * len(groups)
    stats = bench.redis.info("commandstats")
    return stats["cmdstat_hmget"]["calls"], stats["cmdstat_exists"]["calls"]


def test_who_is_told_first(bench: Bench) -> None:
    """A lost, stopped or paused group is told that; a locked one whom to leave out."""
    claimed(bench)
    opt_out(bench, 0)
    assert bench.gate(token="other") == Refusal.LOST
    bench.control("pause")
    assert bench.gate() == Refusal.STOPPED
    bench.control("resume")
    bench.redis.zadd(key("locks"), {lock_of(0): bench.clock.ms + 1000})
    assert left_out(bench.gate()) == 1
    assert bench.gate(dropped=1, lock=lock_without(0)) == 0


# -- dropped stays dropped ------------------------------------------------------


def test_a_claim_tells_who_is_left_out(bench: Bench) -> None:
    """Of the last send, and they stay left out though they opted in again."""
    claimed(bench)
    assert bench.gate(dropped=0b101) == 0
    bench.settle("retry")
    (again,) = bench.claim().groups
    assert again.dropped == 0b101
    assert left_out(bench.gate(serial=2)) == 0b101
    assert bench.gate(serial=2, dropped=0b101) == 0


def test_an_earlier_send_was_to_more(bench: Bench) -> None:
    """Proof of the first of two sends: whom that was to is what counts."""
    claimed(bench)
    assert bench.gate() == 0
    bench.settle("unknown")
    bench.settle("retry")
    bench.claim()
    assert bench.gate(serial=2, dropped=0b1) == 0
    bench.settle("unknown", serial=2)
    assert bench.record().dropped == 0b1
    bench.settle("accepted", serial=1, detail="m1")
    assert bench.record().dropped == 0


def test_an_earlier_send_had_left_some_out(bench: Bench) -> None:
    """Each serial has its own mask, and the one that was taken counts."""
    claimed(bench)
    for serial, mask in ((1, 0b1), (2, 0b11), (3, 0b111)):
        assert bench.gate(serial=serial, dropped=mask) == 0
        bench.settle("unknown", serial=serial)
        bench.settle("retry", serial=serial)
        bench.claim()
    bench.settle("accepted", serial=2, detail="m2")
    assert bench.record().dropped == 0b11


def test_the_earlier_of_two_on_their_way(bench: Bench) -> None:
    """Kept as an extra id first; once the newer is not taken, its mask counts."""
    claimed(bench)
    assert bench.gate(dropped=0b1) == 0
    bench.settle("unknown")
    bench.settle("retry")
    bench.claim()
    assert bench.gate(serial=2, dropped=0b11) == 0
    bench.settle("accepted", serial=1, detail="m1")
    bench.settle("retry", serial=2)
    assert (bench.state(), bench.record().dropped) == ("accepted", 0b1)


def test_a_doubt_is_about_its_own_people(bench: Bench) -> None:
    """The reconciler looks for those whom that very write was to."""
    claimed(bench)
    assert bench.gate(dropped=0b1) == 0
    bench.settle("unknown")
    first = doubts(bench)
    bench.settle("retry")
    bench.claim()
    assert bench.gate(serial=2, dropped=0b11) == 0
    bench.settle("unknown", serial=2)
    assert [(d.serial, d.dropped) for d in first] == [(1, 0b1)]
    assert {(d.serial, d.dropped) for d in doubts(bench)} == {(1, 0b1), (2, 0b11)}


def test_a_doubt_when_an_earlier_write_was_to_everybody(bench: Bench) -> None:
    """The group is accepted as that one; the later write was to fewer all the same."""
    claimed(bench)
    assert bench.gate() == 0
    bench.settle("unknown")
    bench.settle("retry")
    bench.claim()
    assert bench.gate(serial=2, dropped=0b11) == 0
    bench.settle("unknown", serial=2)
    bench.settle("accepted", serial=1, token="", detail="m1")
    assert bench.record().dropped == 0
    assert {(d.serial, d.dropped) for d in doubts(bench)} == {(1, 0), (2, 0b11)}


def doubts(bench: Bench) -> list[Doubt]:
    bench.clock.forward(2000)
    found = bench.run(due_doubts("child", 10))
    assert found is not None
    return found.due


# -- locks ----------------------------------------------------------------------


def test_a_second_try_to_fewer_asks_for_their_lock(bench: Bench) -> None:
    """Another message to exactly those may be on its way."""
    bench.sent()
    bench.redis.zadd(key("locks"), {lock_without(0): bench.clock.ms + 1000})
    second = {"serial": 2, "spent": 1, "dropped": 1, "lock": lock_without(0)}
    assert bench.gate(**second) == Refusal.LOCKED  # type: ignore[arg-type]
    bench.clock.forward(1001)
    assert bench.gate(**second) == 0  # type: ignore[arg-type]


# -- nobody is left -------------------------------------------------------------


def test_nobody_left(bench: Bench) -> None:
    """The group is cancelled, which ends the campaign; everybody shows as dropped."""
    claimed(bench)
    opt_out(bench, *range(SIZE))
    assert left_out(bench.gate()) == EVERYBODY
    assert bench.settle("cancel", serial=0, detail="opted out") == 1
    assert (bench.state(), bench.record().tail) == ("cancelled", "opted out")
    assert bench.campaign() == "done"
    (group,) = bench.ledger.groups(bench.row())
    assert (group.dropped, group.sent_to) == (members_of(0), ())
    assert bench.redis.exists(key("claim", TOKEN)) == 0
    assert books.verify(bench.ledger, "c").balanced


def test_cancelling_twice(bench: Bench) -> None:
    """A repeated call changes nothing."""
    claimed(bench)
    assert [bench.settle("cancel", serial=0) for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("how", ["another's", "sending", "pending", "accepted"])
def test_only_what_is_reserved_is_cancelled(bench: Bench, how: str) -> None:
    """By its holder, before it is sent."""
    bench.load(groups=1)
    if how != "pending":
        bench.claim()
    if how in ("sending", "accepted"):
        bench.gate()
    if how == "accepted":
        bench.settle("accepted", detail="m1")
    before = bench.dump()
    token = "T2" if how == "another's" else TOKEN
    for serial in (0, 1):
        assert bench.settle("cancel", serial=serial, token=token) == 0
    assert bench.dump() == before


def test_cancelled_but_taken(bench: Bench) -> None:
    """Late proof of an earlier send: it went to those whom it went to."""
    claimed(bench)
    bench.gate(dropped=0b1)
    bench.settle("unknown")
    bench.settle("retry")
    bench.claim()
    bench.settle("cancel", detail="opted out")
    assert bench.record().dropped == 0xFFFF
    bench.settle("accepted", serial=1, detail="m1")
    assert (bench.state(), bench.record().dropped) == ("accepted", 0b1)


def test_cancelled_in_a_cancelled_campaign(bench: Bench) -> None:
    """Counted once."""
    claimed(bench, 2)
    bench.control("cancel")
    assert bench.settle("cancel", serial=0, detail="opted out") == 1
    assert bench.counts() == {"claimed": 1, "cancelled": 1}
