"""The crew with fakes: slots, leases, breaker, suspects, stops; time is the loop's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatcher.errors import LedgerCorrupt, LedgerError, LedgerUnreachable
from dispatcher.ledger.calls import Claimed, Verdict
from dispatcher.ledger.codec import Members
from dispatcher.settings import Settings
from tests.unit.worker_fakes import (
    AWAY,
    TAKEN,
    FakeLedger,
    FakeProvider,
    Reply,
    Script,
    Ungated,
    after,
    claim_reply,
    claimed,
    gate_items,
    now,
    run,
    turns,
)
from workers.outcomes import Kind, Outcome
from workers.shifts import (
    CALLED_S,
    DRAIN_S,
    PATIENCE_S,
    RENEW_S,
    SHIFT_S,
    UNREADABLE_DELAY_MS,
    WATCH_S,
    Crew,
    Report,
)

UNREACHABLE = Ungated(Kind.UNREACHABLE, "connect-failed")
SLOTS = 4


class Due(FakeLedger):
    """Hands out groups that are due, each once.

    Attributes:
        due: What is due.
        wants: (time, token, want, idle) of every claim.
    """

    def __init__(self, count: int, **replies: Sequence[Reply]) -> None:
        super().__init__(claim=[self._claim], **replies)
        self.due = [claimed(group) for group in range(count)]
        self.wants: list[tuple[float, str, int, bool]] = []

    async def _claim(self, arguments: Sequence[Any]) -> list[Any]:
        token, want, idle = arguments[0], arguments[1], bool(arguments[6])
        self.wants.append((now(), token, want, idle))
        taken, self.due = self.due[:want], self.due[want:]
        return claim_reply(*taken)

    def lapsed(self) -> list[str]:
        """Tokens given back."""
        return [arguments[1] for script, arguments in self.asked if script == "lapse"]

    def renewals(self) -> list[tuple[bool, tuple[str, ...]]]:
        """(at work, tokens) of every sign of life."""
        given = [arguments for script, arguments in self.asked if script == "renew"]
        return [(bool(args[2]), tuple(args[3:])) for args in given]


@dataclass
class Stage:
    """A crew, what it stands on, and the stop flag."""

    ledger: FakeLedger
    provider: FakeProvider
    slots: int = SLOTS
    rate: float | None = None
    stopped: bool = False
    crew: Crew = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings.load(
            slots=self.slots, account_rate=self.rate, sender_rate=None
        )
        self.crew = Crew(
            *("child", self.ledger, self.provider, settings),
            stop_asked=lambda: self.stopped,
            clock=now,
        )


def stage(
    ledger: FakeLedger,
    *script: Script,
    slots: int = SLOTS,
    rate: float | None = None,
) -> Stage:
    return Stage(ledger, FakeProvider(*script), slots, rate)


def shift(made: Stage) -> tuple[Report, bool]:
    """One shift from beginning to end."""

    async def go() -> tuple[Report, bool]:
        return await made.crew.shift()

    return run(go())


# -- slots -----------------------------------------------------------------------


def test_a_shift_sends_what_is_due_and_ends() -> None:
    """All groups are sent once; nothing more is due, so it is not called again."""
    made = stage(Due(11))
    assert shift(made) == ({"c1": {"accepted": 11}}, False)
    groups = [s.group for s in made.ledger.settled()]
    assert sorted(groups) == list(range(11))


def test_a_shift_without_work_ends_at_once() -> None:
    """An extra wake-up costs one claim."""
    made = stage(FakeLedger())
    assert shift(made) == ({}, False)
    assert made.ledger.count("claim") == 1


def test_slots_are_filled_and_never_overfilled() -> None:
    """As many sends at once as there are slots; claims ask for the free ones."""
    ledger = Due(50)
    made = stage(ledger, after(1.0))
    shift(made)
    assert made.provider.most == SLOTS
    assert len(made.provider.sent) == 50
    assert all(1 <= want <= SLOTS for _, _, want, _ in ledger.wants)


def test_one_hanging_answer_idles_no_other_slot() -> None:
    """The other slots go on while one waits for its answer."""
    made = stage(Due(31), after(14.0), *[after(1.0)] * 30, slots=2)

    async def go() -> None:
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(13.5)
        assert len(made.provider.sent) == 15
        await asyncio.wait([shift], timeout=30)
        await made.crew.drain()

    run(go())


def test_a_shift_ends_in_time() -> None:
    """After 20 s it asks to be called again; what is on the wire goes on."""
    made = stage(Due(10_000), after(3.0))

    async def go() -> None:
        report, more = await made.crew.shift()
        assert SHIFT_S <= now() < SHIFT_S + 1
        assert more
        assert report == {"c1": {"accepted": 6 * SLOTS}}
        assert made.provider.under_way == SLOTS
        # The next shift counts them.
        report, _ = await made.crew.shift()
        assert report == {"c1": {"accepted": 7 * SLOTS}}
        await made.crew.drain()

    run(go())


def test_a_short_wait_is_waited_in_the_shift() -> None:
    """When something is due within a second, the shift stays for it."""
    ledger = FakeLedger(
        claim=[claim_reply(wait_ms=700), claim_reply(claimed()), claim_reply()]
    )
    made = stage(ledger)
    assert shift(made) == ({"c1": {"accepted": 1}}, False)


def test_a_long_wait_ends_the_shift() -> None:
    """The clock calls when something is due."""
    made = stage(FakeLedger(claim=[claim_reply(wait_ms=1001)]))
    assert shift(made) == ({}, False)
    assert made.ledger.count("claim") == 1


@pytest.mark.parametrize(("rate", "ahead"), [(1.0, 1), (100.0, 2), (1000.0, 25)])
def test_little_more_is_reserved_than_is_soon_permitted(
    rate: float, ahead: int
) -> None:
    """A quarter second's worth waits at the gate: the rest is for more urgent work."""

    async def wait(arguments: Sequence[Any]) -> list[int]:
        return [900] * len(gate_items(arguments))

    made = stage(Due(1000, gate=[wait]), slots=64, rate=rate)

    async def go() -> None:
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(10)
        assert made.provider.under_way == ahead
        shift.cancel()

    run(go())


def test_the_ledger_knows_what_waits_at_the_gate() -> None:
    """Each claim tells of which campaigns, so that none has more than it may send."""

    async def wait(arguments: Sequence[Any]) -> list[int]:
        return [900] * len(gate_items(arguments))

    ledger = FakeLedger(
        claim=[claim_reply(claimed(0), claimed(1)), claim_reply()], gate=[wait]
    )
    made = stage(ledger, slots=64)

    async def go() -> None:
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(3)
        shift.cancel()

    run(go())
    told = [arguments[7:] for script, arguments in ledger.asked if script == "claim"]
    assert told[:2] == [[], ["c1", 2]]


def test_who_is_let_through_makes_room() -> None:
    """Claiming goes on at once, and knows by then what a group costs."""
    ledger = Due(30)
    made = stage(ledger, after(1.0), slots=20, rate=100.0)
    assert shift(made) == ({"c1": {"accepted": 30}}, False)
    # At first a group may cost ten units; then it is known to cost two.
    assert [want for _, _, want, _ in ledger.wants][:2] == [2, 12]
    assert made.provider.most == 20


def test_the_child_says_when_it_is_idle() -> None:
    """A claim tells the ledger whether the child holds anything."""
    ledger = Due(2)
    made = stage(ledger, after(1.0))
    shift(made)
    idle = [(want, idle) for _, _, want, idle in ledger.wants]
    assert idle[:2] == [(SLOTS, True), (SLOTS - 2, False)]
    assert idle[-1] == (SLOTS, True)


# -- at work or not --------------------------------------------------------------


def test_a_shift_enters_and_leaves() -> None:
    """It uses up a wake-up; afterwards the clock may call the child again."""
    ledger = Due(1)
    shift(stage(ledger))
    assert ledger.asked[0] == ("enter", ["child"])
    assert ledger.renewals()[-1] == (False, ())


def test_a_child_that_calls_itself_is_not_called_by_the_clock_as_well() -> None:
    """Else wake-ups pile up, one with almost every shift; but not for ever."""
    ledger = Due(10_000)
    made = stage(ledger, after(1.0))

    async def go() -> None:
        await made.crew.shift()
        assert ledger.renewals()[-1][0]
        living = asyncio.create_task(made.crew.live())
        await asyncio.sleep(CALLED_S - 0.1)
        assert ledger.renewals()[-1][0]
        await asyncio.sleep(RENEW_S + 0.2)
        assert not ledger.renewals()[-1][0], "its own call got lost"
        living.cancel()

    run(go())


def test_a_failed_entry_fails_loudly_and_leaves_nothing() -> None:
    """The task shows the error; the next shift works."""
    ledger = Due(1, enter=[AWAY, 1])
    made = stage(ledger)

    async def go() -> None:
        with pytest.raises(LedgerUnreachable):
            await made.crew.shift()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(made.crew.live(), 0.5)
        assert ledger.renewals() == [(False, ())]
        assert await made.crew.shift() == ({"c1": {"accepted": 1}}, False)

    run(go())


def test_a_time_limit_leaves_nothing() -> None:
    """A cancelled shift is over; its jobs end and the next shift counts them."""
    ledger = Due(SLOTS)
    made = stage(ledger, after(5.0))

    async def go() -> None:
        first = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(1)
        first.cancel()
        second = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(0.1)
        assert first.cancelled()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(made.crew.live(), 0.1)
        assert ledger.renewals()[-1][0], "the second one is at work"
        assert await second == ({"c1": {"accepted": SLOTS}}, False)

    run(go())


# -- leases ----------------------------------------------------------------------


def test_a_failed_claim_retires_its_lease() -> None:
    """Known jobs end under the old token, then the rest goes back; work goes on."""
    ledger = Due(6)
    made = stage(ledger, after(5.0))

    async def fail(_: Sequence[Any]) -> list[Any]:
        raise LedgerUnreachable("cut")

    async def go() -> None:
        ledger.due, later = ledger.due[:2], ledger.due[2:]
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(0.5)
        old = ledger.wants[0][1]
        ledger.replies["claim"] = [fail, ledger._claim]
        await asyncio.sleep(1)
        ledger.due = later
        await asyncio.sleep(1.5)
        new = ledger.wants[-1][1]
        assert new != old
        assert made.provider.under_way == SLOTS
        await made.crew._renew()
        assert set(ledger.renewals()[-1][1]) == {old, new}
        assert ledger.lapsed() == []
        await shift
        assert ledger.lapsed() == [old]
        by_token = [arguments[0] for s, arguments in ledger.asked if s == "settle"]
        assert by_token[:2].count(old) == by_token.count(old) >= 1

    with capture_logs() as logs:
        run(go())
    assert [line["event"] for line in logs].count("claim.failed") == 1


@pytest.mark.parametrize("error", [AWAY, LedgerError("Redis is out of memory")])
def test_a_shift_outlives_failed_claims(error: Exception) -> None:
    """While Redis is away it looks again every second; then it goes on."""
    ledger = FakeLedger(claim=[*[error] * 5, claim_reply(claimed()), claim_reply()])
    made = stage(ledger)
    with capture_logs():
        assert shift(made) == ({"c1": {"accepted": 1}}, False)
    assert len({args[0] for s, args in ledger.asked if s == "claim"}) == 6


def test_a_time_limit_during_a_claim_retires_the_lease() -> None:
    """What it may have reserved goes back within seconds, not with the process."""
    ledger = Due(0)

    async def never(_: Sequence[Any]) -> list[Any]:
        await asyncio.sleep(3600)
        return []

    ledger.replies["claim"] = [never]
    made = stage(ledger)

    async def go() -> None:
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(1)
        shift.cancel()
        await asyncio.wait([shift])
        token = next(args[0] for s, args in ledger.asked if s == "claim")
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(made.crew.live(), RENEW_S)
        assert ledger.lapsed() == [token]

    run(go())


def test_a_failed_gate_retires_the_lease() -> None:
    """Nothing more is claimed under a token whose gate may have run."""
    ledger = Due(2 * SLOTS, gate=[AWAY, [0] * SLOTS])
    made = stage(ledger)
    with capture_logs():
        report, _ = shift(made)
    assert report == {"c1": {"back": SLOTS, "accepted": SLOTS}}
    first, *others = [token for _, token, _, _ in ledger.wants]
    assert first not in others
    assert ledger.lapsed() == [first]


def test_a_group_in_hand_is_not_begun_twice() -> None:
    """Claimed again under the same token: the lease had lapsed, and is retired."""
    ledger = Due(1)
    made = stage(ledger, after(5.0))

    async def go() -> None:
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(0.5)
        ledger.due = [claimed(0, serial=1), claimed(1)]
        await asyncio.sleep(1)
        assert made.provider.under_way == 2
        ledger.due = [claimed(0, serial=1, id_="c2")]
        await shift
        assert ledger.wants[0][1] == ledger.lapsed()[0]

    with capture_logs() as logs:
        run(go())
    assert [line["event"] for line in logs].count("group.in_hand") == 1
    assert len(made.provider.sent) == 3
    assert len({token for _, token, *_ in ledger.wants}) == 2


def test_two_may_give_back_at_once() -> None:
    """The end of a shift and the sign of life beside it do not get in their way."""

    async def slow(_: Sequence[Any]) -> list[int]:
        await asyncio.sleep(1.5)
        return [1, 0, 0, 0]

    ledger = FakeLedger(claim=[AWAY, claim_reply()], lapse=[slow])
    made = stage(ledger)

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        await made.crew.shift()
        await asyncio.sleep(2 * RENEW_S)
        before = ledger.count("renew")
        await asyncio.sleep(2 * RENEW_S)
        assert ledger.count("renew") > before
        assert not living.done()
        living.cancel()

    with capture_logs() as logs:
        run(go())
    assert {line["event"] for line in logs} == {"claim.failed"}


def test_a_job_that_crashes_gives_back_what_it_left() -> None:
    """Its slot and its lease are free again; the ledger judges what it left behind."""
    ledger = Due(2, settle=[LedgerCorrupt("ILLEGAL")])
    made = stage(ledger)

    async def go() -> None:
        report, _ = await made.crew.shift()
        assert report == {"c1": {"crashed": 2}}
        assert ledger.lapsed() == [ledger.wants[0][1]]
        assert ledger.renewals()[-1] == (False, ())

    with capture_logs() as logs:
        run(go())
    events = [line["event"] for line in logs]
    assert events.count("outcome.not_recorded") == events.count("job.crashed") == 2


@pytest.mark.parametrize("error", [LedgerError("chunk 0 is missing"), IndexError()])
def test_a_group_that_cannot_be_read_goes_back(error: Exception) -> None:
    """After a while it is due again; nothing of it was sent."""

    class Torn(Due):
        async def chunk(self, load: str, number: int) -> list[Members]:
            await super().chunk(load, number)
            raise error

    ledger = Torn(1)
    made = stage(ledger)
    with capture_logs() as logs:
        assert shift(made) == ({"c1": {"unreadable": 1}}, False)
    (back,) = ledger.settled()
    assert (back.verdict, back.group) == (Verdict.BACK, 0)
    assert back.delay_ms == UNREADABLE_DELAY_MS
    assert made.provider.sent == []
    assert [line["event"] for line in logs] == ["group.unreadable"]


def test_leases_are_renewed_while_jobs_run() -> None:
    """Every two seconds; a lease without jobs is not."""
    ledger = Due(1)
    made = stage(ledger, after(9.0))

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        await made.crew.shift()
        living.cancel()

    run(go())
    renewals = ledger.renewals()
    token = ledger.wants[0][1]
    assert renewals.count((True, (token,))) == 5
    assert renewals[-1] == (False, ())


@pytest.mark.parametrize("error", [AWAY, LedgerError("no"), RuntimeError("odd")])
def test_signs_of_life_outlive_any_fault(error: Exception) -> None:
    """A child that stopped renewing would lose every group it holds."""
    ledger = FakeLedger(renew=[*[error] * 3, 1])
    made = stage(ledger)

    async def go() -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(made.crew.live(), 4.5 * RENEW_S)

    with capture_logs() as logs:
        run(go())
    assert ledger.count("renew") == 5
    assert [line["event"] for line in logs] == ["lease.not_renewed"] * 3


# -- the breaker -----------------------------------------------------------------


def probes(ledger: FakeLedger) -> list[str]:
    return [args[1] for script, args in ledger.asked if script == "breaker"]


def test_an_open_breaker_lets_one_probe_out() -> None:
    """Three failures open it; then one group at a time, after longer and longer."""
    ledger = Due(200)
    made = stage(ledger, UNREACHABLE)
    with capture_logs() as logs:
        report, more = shift(made)
    # Four at first, then probes after 1, 2, 4 and 8 seconds.
    assert [round(at) for at, *_ in ledger.wants] == [0, 1, 3, 7, 15]
    assert [want for _, _, want, _ in ledger.wants] == [SLOTS, 1, 1, 1, 1]
    assert report == {"c1": {"back": SLOTS + 4}}
    assert more
    assert probes(ledger) == ["down", *["probe"] * 4]
    assert [line["event"] for line in logs].count("provider.unreachable") == 1


def test_an_answer_to_the_probe_ends_it() -> None:
    """The ledger hears of it and all slots are filled again."""
    ledger = Due(20)
    made = stage(ledger, *[UNREACHABLE] * SLOTS, TAKEN)
    with capture_logs():
        report, more = shift(made)
    assert report == {"c1": {"back": SLOTS, "accepted": 16}}
    assert not more
    assert probes(ledger) == ["down", "probe", "up"]


def test_only_one_child_probes() -> None:
    """Told that another one tries, it hands nothing out and asks again later."""
    ledger = Due(20, breaker=[2, 0, 0, 1])
    made = stage(ledger, *[UNREACHABLE] * SLOTS, TAKEN)
    with capture_logs():
        shift(made)
    assert [(round(at), want) for at, _, want, _ in ledger.wants[:2]] == [
        (0, 4),
        (3, 1),
    ]


def test_a_probe_under_way_is_waited_for_without_turning_round() -> None:
    """The child sleeps until the probe ends: no claim, no probe, no busy loop."""
    ledger = Due(20)
    slow = after(12.0, Outcome(Kind.UNKNOWN, "timeout"))
    made = stage(ledger, *[UNREACHABLE] * SLOTS, slow)

    async def go() -> None:
        looks = 0
        look = made.crew._may_claim

        async def counted() -> int:
            nonlocal looks
            looks += 1
            return await look()

        made.crew._may_claim = counted  # type: ignore[method-assign]
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(10)
        assert made.provider.under_way == 1
        assert looks < 10 / PATIENCE_S + 5
        shift.cancel()

    with capture_logs():
        run(go())
    assert len(ledger.wants) == 2


def test_a_provider_that_answers_nobody() -> None:
    """It takes requests and resets: few groups become unknown, and a probe ends it."""
    ledger = Due(200)
    lost = Outcome(Kind.UNKNOWN, "connection-lost")
    made = stage(ledger, *[lost] * (2 * SLOTS + 3), TAKEN)
    with capture_logs() as logs:
        report, _ = shift(made)
    # Two lots, then probes after 1, 2 and 4 seconds, then one that is answered.
    assert report["c1"]["unknown"] == 2 * SLOTS + 3
    assert report["c1"]["accepted"] == 200 - 2 * SLOTS - 3
    assert probes(ledger) == ["down", *["probe"] * 4, "up"]
    told = [line["outcome"] for line in logs if line["event"] == "provider.unreachable"]
    assert told == ["unknown"]


@pytest.mark.parametrize("error", [AWAY, LedgerError("no memory")])
def test_the_breaker_costs_no_outcome(error: Exception) -> None:
    """When the ledger cannot be told, the groups are settled all the same."""
    ledger = Due(5, breaker=[error])
    made = stage(ledger, *[UNREACHABLE] * 3, TAKEN)
    with capture_logs():
        report, _ = shift(made)
    assert report == {"c1": {"back": 3, "accepted": 2}}


# -- suspects --------------------------------------------------------------------


def suspicious(*groups: Claimed) -> FakeLedger:
    return FakeLedger(claim=[*(claim_reply(g) for g in groups), claim_reply()])


def test_a_suspect_is_alone() -> None:
    """While a group that was there when a worker died is under way, none joins it."""
    ledger = suspicious(claimed(0, crashes=1), claimed(1), claimed(2))
    made = stage(ledger, after(2.0))
    shift(made)
    assert made.provider.most == 2
    claims = [i for i, (script, _) in enumerate(ledger.asked) if script == "claim"]
    settles = [i for i, (script, _) in enumerate(ledger.asked) if script == "settle"]
    assert claims[1] > settles[0]


def test_a_suspect_that_waits_is_made_room_for() -> None:
    """The child runs empty, then asks again as an idle one."""
    ledger = FakeLedger(
        claim=[
            claim_reply(claimed(0), claimed(1)),
            claim_reply(alone=True, wait_ms=50),
            claim_reply(claimed(9, crashes=2)),
            claim_reply(),
        ]
    )
    made = stage(ledger, after(2.0))
    shift(made)
    idle = [bool(args[6]) for script, args in ledger.asked if script == "claim"]
    assert idle == [True, False, True, True]
    assert made.provider.most == 2


# -- stops -----------------------------------------------------------------------


def test_after_a_stop_nothing_is_claimed_or_gated() -> None:
    """The flag is seen within 0.1 s; what is on the wire ends, and is counted."""
    ledger = Due(1000)
    made = stage(ledger, after(3.0))

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(4)
        made.stopped = True
        await asyncio.sleep(WATCH_S + 0.01)
        assert made.crew.stopping
        claims, gates = ledger.count("claim"), ledger.count("gate")
        assert await shift == ({"c1": {"accepted": 2 * SLOTS}}, False)
        assert now() == pytest.approx(6, abs=0.1)
        assert (ledger.count("claim"), ledger.count("gate")) == (claims, gates)
        await made.crew.close()
        living.cancel()

    run(go())
    assert ledger.lapsed() == [ledger.wants[0][1]]


def test_a_stop_hands_back_what_waits_at_the_gate() -> None:
    """Within the second, with nothing sent."""
    ledger = Due(SLOTS, gate=[[900] * SLOTS])
    made = stage(ledger)

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(0.5)
        made.stopped = True
        assert await shift == ({"c1": {"back": SLOTS}}, False)
        assert now() < 0.7
        living.cancel()

    run(go())
    assert made.provider.sent == []


def test_a_stop_waits_for_no_connection() -> None:
    """What is still connecting goes back at once: it has asked for nothing."""
    ledger = Due(SLOTS)
    made = stage(ledger)

    async def go() -> None:
        made.provider.connecting_s = 5.0
        living = asyncio.create_task(made.crew.live())
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(0.5)
        made.stopped = True
        assert await shift == ({"c1": {"back": SLOTS}}, False)
        assert now() < 0.7
        assert not made.crew.connecting
        living.cancel()

    run(go())
    assert (made.provider.sent, ledger.count("gate")) == ([], 0)


@pytest.mark.parametrize("script", ["renew", "claim"])
def test_a_stop_is_seen_while_redis_hangs(script: str) -> None:
    """Neither a sign of life nor a claim without an answer hides the flag."""

    async def never(_: Sequence[Any]) -> list[Any]:
        await asyncio.sleep(10)
        raise AWAY

    ledger = FakeLedger(**{script: [never]})
    made = stage(ledger)

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(1)
        made.stopped = True
        await asyncio.sleep(WATCH_S + 0.01)
        assert made.crew.stopping
        living.cancel()
        shift.cancel()

    run(go())


def test_a_stop_between_claim_and_wait_is_noticed() -> None:
    """A stop that comes while a claim is answered is not slept over."""
    ledger = Due(0)
    made = stage(ledger, after(5.0))

    async def go() -> None:
        async def claim(_: Sequence[Any]) -> list[Any]:
            made.crew._stop()
            return claim_reply(wait_ms=900)

        ledger.replies["claim"] = [claim]
        await made.crew.shift()
        assert now() == 0

    run(go())


def test_shift_and_close_share_one_time_limit() -> None:
    """A job that never ends delays a stop by `DRAIN_S` once, not once for each."""
    ledger = Due(1)
    made = stage(ledger, after(3600))

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(1)
        made.stopped = True
        await shift
        await made.crew.close()
        assert now() < 1 + WATCH_S + DRAIN_S + 1
        assert made.provider.under_way == 0
        living.cancel()

    with capture_logs() as logs:
        run(go())
    assert ledger.lapsed() == [ledger.wants[0][1]]
    assert [line["event"] for line in logs] == ["jobs.broken_off"]


def test_a_stop_while_redis_is_away_ends_in_time() -> None:
    """Outcomes wait for Redis as long as they may, and no longer."""
    ledger = Due(SLOTS)
    made = stage(ledger, after(1.0))

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        shift = asyncio.create_task(made.crew.shift())
        await asyncio.sleep(0.5)
        ledger.fails = {"claim", "settle", "renew", "lapse"}
        await asyncio.sleep(3)
        made.stopped = True
        await shift
        await made.crew.close()
        assert now() <= 3.5 + WATCH_S + DRAIN_S + 1
        living.cancel()

    with capture_logs() as logs:
        run(go())
    assert logs[-1]["event"] == "lease.not_returned"


def test_a_close_while_redis_hangs_ends_in_time() -> None:
    """A Redis that accepts everything and answers nothing is not waited for."""

    async def never(_: Sequence[Any]) -> list[Any]:
        await asyncio.sleep(3600)
        return []

    made = stage(FakeLedger(lapse=[never]))

    async def go() -> None:
        await made.crew.close()
        assert now() <= 1

    with capture_logs() as logs:
        run(go())
    assert [line["event"] for line in logs] == ["lease.not_returned"]


def test_a_child_that_is_closed_without_a_shift_drains() -> None:
    """What a shift left on the wire still ends before the child does."""
    ledger = Due(10_000)
    made = stage(ledger, after(3.0))

    async def go() -> None:
        await made.crew.shift()
        assert made.provider.under_way == SLOTS
        await made.crew.close()
        assert made.provider.under_way == 0

    run(go())
    assert len(ledger.settled()) == len(made.provider.sent)


def test_nothing_is_left_running() -> None:
    """After a close no task of the crew is alive."""
    made = stage(Due(20), after(1.0))

    async def go() -> None:
        living = asyncio.create_task(made.crew.live())
        await made.crew.shift()
        await made.crew.close()
        living.cancel()
        await turns()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(go())


def test_counts_are_reported_once() -> None:
    """A shift tells what was settled since the one before."""
    ledger = Due(3)
    made = stage(ledger)

    async def go() -> None:
        assert (await made.crew.shift())[0] == {"c1": {"accepted": 3}}
        assert (await made.crew.shift())[0] == {}

    run(go())
