"""Deliveries on a real server: merged by rank, counted at once, swept when silent."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher import books
from dispatcher.codes import Action
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.deliveries import (
    Answer,
    Parcel,
    Rule,
    Taken,
    deliver,
    sweep,
    take_bodies,
)
from dispatcher.ledger.delivery import Delivery, Slots
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow
from dispatcher.ledger.states import DeliveryState
from tests.bench import FREE, SIZE, Bench, ticket

S = DeliveryState
HOUR_MS = 3_600_000
PAUSE = Rule(4476, Action.PAUSE, "code 4476: not registered")
SLOW = Rule(4781, Action.SLOW, "")
EVENTS = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.sampled_from(list(S)[1:])), max_size=20
)


def accepted(bench: Bench, groups: int = 1) -> None:
    """So many groups, all taken as m0, m1, ...; group 0 as m1."""
    bench.sent(groups)
    for group in range(groups):
        bench.settle("accepted", group, detail=f"m{group}" if group else "m1")


# -- merging -------------------------------------------------------------------


def test_accepted_means_awaiting(bench: Bench) -> None:
    """Everybody in an accepted group is waited for, and nobody else."""
    bench.load(groups=3)
    assert bench.delivered() == {}
    bench.claim()
    bench.gate()
    bench.settle("accepted", detail="m1")
    assert bench.delivered() == {"awaiting": SIZE}


def test_the_books_of_a_campaign_that_ended(bench: Bench) -> None:
    """They are of one instant, though callbacks go on."""
    accepted(bench)
    assert bench.campaign() == "done"

    class Meanwhile(Ledger):
        def campaign(self, id: str) -> CampaignRow:  # noqa: A002 - the public word
            row = super().campaign(id)
            bench.deliver(S.DELIVERED, 3)
            return row

    with Meanwhile(bench.url, clock=bench.clock) as ledger:
        assert books.verify(ledger, "c").differences == []
    assert bench.delivered() == {"awaiting": SIZE - 1, "delivered": 1}


def test_events_count_at_once(bench: Bench) -> None:
    """Each member moves by itself; what every group says stays its own."""
    accepted(bench, 2)
    assert bench.deliver(S.SENDING) == Answer.NEWS
    bench.deliver(S.DELIVERED, 0, 1, 2)
    bench.deliver(S.FAILED, 9, code=4720)
    assert bench.delivered() == {
        "awaiting": SIZE,
        "sending": 6,
        "delivered": 3,
        "failed": 1,
    }
    assert bench.deliveries()[8:] == ["sending", "failed(4720)"]
    assert bench.row().codes == {4720: 1}
    assert bench.deliveries(1) == ["awaiting"] * SIZE


def test_failed_is_sticky(bench: Bench) -> None:
    """Of an invalid number the provider says failed and then delivered."""
    accepted(bench)
    bench.deliver(S.FAILED, 3, code=4720)
    assert bench.deliver(S.DELIVERED) == Answer.NEWS
    assert bench.deliveries()[3] == "failed(4720)"
    assert bench.deliver(S.FAILED, 3, code=4404) == Answer.KNOWN
    assert bench.deliveries()[3] == "failed(4720)"


def test_failed_overrules_delivered(bench: Bench) -> None:
    """In whichever order the two come."""
    accepted(bench)
    bench.deliver(S.DELIVERED)
    bench.deliver(S.FAILED, 3, code=4720)
    assert bench.deliveries()[3] == "failed(4720)"


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(EVENTS, st.randoms(use_true_random=False))
def test_lua_and_python_merge_alike(
    bench: Bench, events: list[tuple[int, DeliveryState]], random: Random
) -> None:
    """Shuffled, doubled, one by one: as merged in Python, all in one."""
    bench.redis.flushall()
    bench.loaded.clear()
    accepted(bench)
    expected = Slots(SIZE)
    for member, state in events:
        expected.put(member, Delivery(state, 4400 if state is S.FAILED else 0))
    stream = events + events[::2]
    random.shuffle(stream)
    for member, state in stream:
        bench.deliver(state, member, code=4400 if state is S.FAILED else 0)
    stored = bench.redis.hget(key("delivery", "load-c", 0), 0)
    assert (stored or bytes(3 * SIZE)) == expected.pack()


def test_a_repeated_event_writes_nothing(bench: Bench) -> None:
    """Doubled callbacks leave every byte as it is."""
    accepted(bench)
    bench.deliver(S.FAILED, code=4720)
    before = bench.dump()
    assert bench.deliver(S.FAILED, code=4720) == Answer.KNOWN
    assert bench.deliver(S.SENDING) == Answer.KNOWN
    assert bench.dump() == before


def test_a_full_chunk_stays_small(bench: Bench) -> None:
    """128 groups of ten: still a listpack, some 40 bytes a group."""
    bench.checked = False
    accepted(bench, 128)
    parcels = [
        Parcel("c", "load-c", group, f"m{group or 1}", bytes([4, 0, 0]) * SIZE)
        for group in range(128)
    ]
    answers, _ = bench.run(deliver(FREE, [], parcels))
    assert set(answers) == {Answer.NEWS}
    bench.check()
    name = key("delivery", "load-c", 0)
    assert bench.redis.object("encoding", name) == b"listpack"
    assert bench.redis.memory_usage(name) < 128 * 48


# -- whose message -------------------------------------------------------------


def test_an_event_needs_proof_before_it_counts(bench: Bench) -> None:
    """Whatever state the group is in, as long as it is not accepted under an id."""
    bench.load()
    assert bench.deliver(S.DELIVERED) == Answer.UNPROVEN
    bench.claim()
    assert bench.deliver(S.DELIVERED) == Answer.UNPROVEN
    bench.gate()
    assert bench.deliver(S.DELIVERED) == Answer.UNPROVEN
    bench.settle("accepted", detail="")
    assert bench.deliver(S.DELIVERED) == Answer.UNPROVEN
    assert bench.delivered() == {"awaiting": SIZE}


def test_another_message_is_not_the_row_s(bench: Bench) -> None:
    """A double's deliveries say nothing about the message that counts."""
    accepted(bench)
    assert bench.deliver(S.DELIVERED, message_id="m2") == Answer.OTHER
    assert bench.delivered() == {"awaiting": SIZE}


def test_unknown_campaigns(bench: Bench) -> None:
    """No such campaign, or one of that id with another list."""
    accepted(bench)
    assert bench.deliver(S.SENT, id_="d") == Answer.UNKNOWN
    stale = Parcel("c", "other-load", 0, "m1", bytes([2, 0, 0]) * SIZE)
    assert bench.run(deliver(FREE, [], [stale]))[0] == [Answer.UNKNOWN]


def test_a_dropped_member(bench: Bench) -> None:
    """Nobody waits for one who was left out; an earlier send's events still count."""
    bench.load()
    bench.claim(1)
    assert bench.gates([replace(ticket(), dropped=1 << 2)]) == [0]
    bench.settle("accepted", detail="m1")
    assert bench.delivered() == {"awaiting": SIZE - 1}
    bench.deliver(S.DELIVERED, 2)
    assert bench.delivered() == {"awaiting": SIZE - 1, "delivered": 1}
    bench.clock.forward(HOUR_MS)
    assert bench.sweep(HOUR_MS) == (SIZE - 1, False)


# -- unconfirmed ---------------------------------------------------------------


def test_silence(bench: Bench) -> None:
    """After the time whoever no final word came about is unconfirmed, not before."""
    accepted(bench)
    bench.deliver(S.DELIVERED, 0)
    bench.deliver(S.FAILED, 1, code=4720)
    bench.deliver(S.SENT, 2)
    bench.clock.forward(HOUR_MS - 1)
    assert bench.sweep(HOUR_MS) == (0, False)
    bench.clock.forward(1)
    assert bench.sweep(HOUR_MS) == (SIZE - 2, False)
    assert bench.delivered() == {"delivered": 1, "failed": 1, "unconfirmed": SIZE - 2}
    assert bench.redis.zcard(key("awaiting")) == 0


def test_a_late_word_still_counts(bench: Bench) -> None:
    """Unconfirmed is no end: delivered and failed overrule it, sending does not."""
    accepted(bench)
    bench.clock.forward(HOUR_MS)
    bench.sweep(HOUR_MS)
    bench.deliver(S.SENDING)
    assert bench.delivered() == {"unconfirmed": SIZE}
    bench.deliver(S.DELIVERED, 0)
    bench.deliver(S.FAILED, 1, code=9902)
    assert bench.delivered() == {"unconfirmed": SIZE - 2, "delivered": 1, "failed": 1}


def test_each_group_has_its_own_time(bench: Bench) -> None:
    """A chunk is looked at again when its next group is due; a finished one never."""
    bench.load(groups=3)
    for group in range(3):
        bench.claim(1)
        bench.gate(group)
        bench.settle("accepted", group, detail=f"m{group}")
        bench.clock.forward(HOUR_MS / 4)
    bench.clock.forward(HOUR_MS / 4)
    assert bench.sweep(HOUR_MS) == (SIZE, False)
    assert bench.sweep(HOUR_MS) == (0, False)
    bench.deliver(S.DELIVERED, group=1, message_id="m1")
    bench.clock.forward(HOUR_MS)
    assert bench.sweep(HOUR_MS) == (SIZE, False)
    assert bench.delivered() == {"unconfirmed": 2 * SIZE, "delivered": SIZE}
    assert bench.redis.zcard(key("awaiting")) == 0


def test_a_group_accepted_after_a_sweep_is_waited_for(bench: Bench) -> None:
    """Its chunk was forgotten in between."""
    accepted(bench)
    bench.clock.forward(HOUR_MS)
    bench.load("d", 2)
    bench.sweep(HOUR_MS)
    bench.claim()
    bench.gate(id_="d")
    bench.settle("accepted", detail="m1", id_="d")
    bench.clock.forward(HOUR_MS)
    assert bench.sweep(HOUR_MS) == (SIZE, False)


def test_a_sweep_is_bounded(bench: Bench) -> None:
    """Four chunks a call; the answer says that more wait."""
    bench.checked = False
    bench.load(groups=5 * 128)
    bench.claim(5 * 128)
    for chunk in range(5):
        bench.gates([ticket(chunk * 128)])
        bench.settle("accepted", chunk * 128, detail=f"m{chunk}")
    bench.clock.forward(HOUR_MS)
    assert bench.run(sweep(HOUR_MS)) == (4 * SIZE, True)
    assert bench.run(sweep(HOUR_MS)) == (SIZE, False)
    bench.check()


# -- what codes do -------------------------------------------------------------


def test_a_code_pauses_its_campaign(bench: Bench) -> None:
    """In the same step, with the reason; told once, and counted."""
    bench.load(groups=3)
    bench.claim(1)
    bench.gate()
    bench.settle("accepted", detail="m1")
    bench.deliver(S.FAILED, 0, 1, code=4476, rules=[PAUSE])
    assert bench.campaign() == "paused(code 4476: not registered)"
    assert bench.taken == [Taken("c", 4476, Action.PAUSE)]
    assert bench.row().actions == {(Action.PAUSE, 4476): 1}
    assert bench.row().codes == {4476: 2}


def test_a_pause_is_not_repeated_by_old_news(bench: Bench) -> None:
    """Resumed: neither doubled callbacks nor what was sent before pause it again."""
    bench.load(groups=3)
    bench.claim(1)
    bench.gate()
    bench.settle("accepted", detail="m1")
    bench.deliver(S.FAILED, 0, code=4476, rules=[PAUSE])
    bench.clock.forward(1000)
    bench.control("resume")
    bench.deliver(S.FAILED, 0, code=4476, rules=[PAUSE])
    bench.deliver(S.FAILED, 1, code=4476, rules=[PAUSE])
    assert (bench.campaign(), bench.taken) == ("running", [])
    bench.claim(1)
    bench.gate(1)
    bench.settle("accepted", 1, detail="m2")
    bench.deliver(S.FAILED, 0, group=1, message_id="m2", code=4476, rules=[PAUSE])
    assert bench.campaign() == "paused(code 4476: not registered)"


def test_no_rule_no_action(bench: Bench) -> None:
    """Switched off, or another code: told only."""
    bench.load(groups=3)
    bench.claim(1)
    bench.gate()
    bench.settle("accepted", detail="m1")
    bench.deliver(S.FAILED, 0, code=4476)
    bench.deliver(S.FAILED, 1, code=4720, rules=[PAUSE, SLOW])
    assert (bench.campaign(), bench.taken) == ("running", [])
    assert bench.row().codes == {4476: 1, 4720: 1}


def test_what_ended_is_neither_paused_nor_slowed(bench: Bench) -> None:
    """A campaign that is done stays done."""
    accepted(bench)
    bench.deliver(S.FAILED, 0, code=4476, rules=[PAUSE])
    bench.deliver(S.FAILED, 1, code=4781, rules=[SLOW])
    assert (bench.campaign(), bench.taken) == ("done", [])
    assert bench.row().slow_pace == 0


def slowed(bench: Bench, member: int, rates: Rates = FREE) -> float:
    bench.deliver(S.FAILED, member, code=4781, rules=[SLOW], rates=rates)
    return bench.row().slow_pace


def running(bench: Bench, pace: float = 0) -> None:
    bench.load(groups=9, pace=pace)
    bench.claim(1)
    bench.gate()
    bench.settle("accepted", detail="m1")


@pytest.mark.parametrize(
    ("pace", "rates", "half"),
    [
        (0, Rates(account=8.0), 4),
        (0, Rates(account=8.0, sender=6.0), 3),
        (2, Rates(account=8.0, sender=6.0), 1),
        (2, FREE, 1),
        (0, FREE, SIZE / 10 / 2),
    ],
)
def test_slower(bench: Bench, pace: float, rates: Rates, half: float) -> None:
    """Half of what limits it; of what it sent so far (10 in 10 s) if nothing does."""
    running(bench, pace=pace)
    bench.clock.forward(10_000)
    assert slowed(bench, 0, rates) == half


def test_slower_and_slower_and_well_again(bench: Bench) -> None:
    """The storm of one moment halves once; a minute on it halves again; it heals."""
    running(bench, pace=32)
    assert [slowed(bench, 0), slowed(bench, 1)] == [16, 16]
    bench.clock.forward(60_000)
    assert slowed(bench, 2) == 8
    for member in (3, 4, 5):
        bench.clock.forward(60_000)
        slowed(bench, member)
    assert bench.row().slow_pace == 2
    bench.clock.forward(15 * 60_000)
    assert slowed(bench, 6) == 16
    assert bench.row().actions == {(Action.SLOW, 4781): 6}


def gate_next(bench: Bench, group: int) -> int | None:
    """0 when the next group went through, else how long it has to wait."""
    return bench.claim(1).wait_ms or bench.gate(group)


def test_the_gate_keeps_the_slower_pace(bench: Bench) -> None:
    """While it lasts the campaign's bucket fills at the slow rate, then as before."""
    running(bench, pace=20)
    slowed(bench, 0)
    bench.clock.forward(1000)
    assert [gate_next(bench, 1), gate_next(bench, 2)] == [0, 750]
    bench.clock.forward(15 * 60_000)
    assert [gate_next(bench, 2), gate_next(bench, 3)] == [0, 250]


def test_a_slowed_campaign_without_a_pace(bench: Bench) -> None:
    """It gets a bucket of its own for the time."""
    running(bench)
    bench.clock.forward(10_000)
    assert slowed(bench, 0) == 0.5
    assert [gate_next(bench, 1), gate_next(bench, 2)] == [0, 19_750]
    bench.clock.forward(15 * 60_000)
    assert [gate_next(bench, 2), gate_next(bench, 3)] == [0, 0]


# -- the inbox -----------------------------------------------------------------


def put(bench: Bench, *bodies: bytes) -> None:
    bench.redis.rpush(key("inbox"), *bodies)


def waiting(bench: Bench) -> list[bytes]:
    return list(bench.redis.lrange(key("inbox"), 0, -1))


def test_bodies_in_order_and_away_when_done(bench: Bench) -> None:
    """What was not said to be done is given again."""
    put(bench, b"1", b"2", b"3")
    assert bench.run(take_bodies("A", 0, 2)) == [b"1", b"2"]
    assert bench.run(take_bodies("A", 0, 2)) == [b"1", b"2"]
    assert bench.run(take_bodies("A", 2, 2)) == [b"3"]
    assert bench.run(take_bodies("A", 1, 2)) == []
    assert waiting(bench) == []


def test_one_applier_at_a_time(bench: Bench) -> None:
    """The other one waits until the lease has ended, then gets the same."""
    put(bench, b"1")
    assert bench.run(take_bodies("A", 0, 9)) == [b"1"]
    assert bench.run(take_bodies("B", 0, 9)) is None
    bench.redis.delete(key("applier"))
    assert bench.run(take_bodies("B", 0, 9)) == [b"1"]


def test_who_lost_the_lease_removes_nothing(bench: Bench) -> None:
    """Another may have removed its bodies and left others at the head."""
    put(bench, b"1", b"2")
    bench.run(take_bodies("A", 0, 1))
    bench.redis.delete(key("applier"))
    assert bench.run(take_bodies("A", 1, 1, [b"1"])) == [b"1"]
    bench.redis.set(key("applier"), "B")
    assert bench.run(take_bodies("A", 1, 1)) is None
    assert waiting(bench) == [b"1", b"2"]


def test_what_is_too_early_goes_behind(bench: Bench) -> None:
    """Put back in the step that removes it, so it is never not there."""
    put(bench, b"1", b"2")
    bench.run(take_bodies("A", 0, 1))
    assert bench.run(take_bodies("A", 1, 9, [b"1"])) == [b"2", b"1"]
