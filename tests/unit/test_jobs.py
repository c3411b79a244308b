"""Leases and jobs: nothing true gets lost, nothing doubtful is built upon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dispatcher.campaign import Campaign
from dispatcher.errors import LedgerCorrupt, LedgerError, LedgerUnreachable
from dispatcher.ledger.calls import GateItem, Rates, Settlement, Verdict
from dispatcher.ledger.codec import CHUNK_GROUPS, Members, member_lock
from tests.unit.worker_fakes import (
    AWAY,
    MEMBERS,
    PRIVATE,
    SENDER,
    TEXT,
    FakeLedger,
    claim_reply,
    claimed,
    run,
    settlements,
    turns,
)
from workers.jobs import (
    REFUSALS,
    Job,
    Lease,
    job_of,
    until_taken,
)
from workers.shelf import KEPT_CHUNKS, Shelf

LISTED = "19195551201 19195551202"
REFUSED = LedgerError("Redis refused: read only")


def ask(group: int, verdict: Verdict = Verdict.ACCEPTED) -> tuple[Settlement, ...]:
    return (Settlement("c1", group, 1, verdict),)


def item(group: int) -> GateItem:
    return GateItem("c1", group, 1, 10, "lock", LISTED)


# -- until Redis takes it --------------------------------------------------------


class Call:
    """Fails as it is told, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.count = 0

    async def __call__(self) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "taken"


def taken(call: Callable[[], Awaitable[str]]) -> str:
    return run(until_taken(call))


def test_it_waits_for_redis_as_long_as_it_takes() -> None:
    """While Redis is away there is no limit."""
    call = Call(*[AWAY] * 3 * REFUSALS)
    assert taken(call) == "taken"


def test_its_pauses_are_bounded() -> None:
    """It asks again within two seconds, and does not hammer."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    run(until_taken(Call(*[AWAY] * 200), sleep))
    assert max(pauses) <= 2
    assert sum(pauses[10:]) / 190 > 0.5


@pytest.mark.parametrize("error", [REFUSED, RuntimeError("transport is closed")])
def test_a_refusal_may_pass(error: Exception) -> None:
    """A primary that is a replica for a moment, a connection that broke oddly."""
    assert taken(Call(*[error] * (REFUSALS - 1))) == "taken"


def test_a_refusal_for_good_ends() -> None:
    """Redis is there and says no: about a minute of that is enough."""
    call = Call(*[REFUSED] * (REFUSALS + 1))
    with pytest.raises(LedgerError, match="read only"):
        taken(call)
    assert call.count == REFUSALS


def test_a_broken_rule_is_told_at_once() -> None:
    """Asking again would break it again."""
    call = Call(LedgerCorrupt("ILLEGAL"))
    with pytest.raises(LedgerCorrupt):
        taken(call)
    assert call.count == 1


def test_it_can_be_cancelled() -> None:
    """A stop ends the wait for Redis."""

    async def go() -> None:
        waiting = asyncio.create_task(until_taken(Call(*[AWAY] * 999)))
        await asyncio.sleep(10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(go())


# -- leases ----------------------------------------------------------------------


def test_every_lease_has_its_own_token() -> None:
    """A fencing token is never used again."""
    ledger = FakeLedger()
    assert len({Lease(ledger, Rates()).token for _ in range(100)}) == 100


def test_gate_questions_go_together() -> None:
    """One script for all; each gets its answer and the time of the question."""
    ledger = FakeLedger(gate=[[0, -3, 70]])

    async def go() -> list[int]:
        lease = Lease(ledger, Rates(100.0, None))
        passed = await asyncio.gather(*(lease.gate(item(group)) for group in range(3)))
        assert len({one.asked_at for one in passed}) == 1
        (_, arguments) = ledger.asked[0]
        assert arguments[:4] == [lease.token, 100.0, "", ""]
        return [one.answer for one in passed]

    assert run(go()) == [0, -3, 70]
    assert ledger.count("gate") == 1


@pytest.mark.parametrize("error", [AWAY, REFUSED, asyncio.CancelledError()])
def test_a_lost_gate_reply_makes_it_doubtful(error: BaseException) -> None:
    """The gate may have run: nothing more is claimed under the token."""
    ledger = FakeLedger(gate=[error])

    async def go() -> bool:
        lease = Lease(ledger, Rates())
        with pytest.raises((LedgerError, asyncio.CancelledError)):
            await lease.gate(item(0))
        return lease.doubtful

    assert run(go())


def test_a_lost_claim_reply_makes_it_doubtful() -> None:
    """The claim may have reserved groups that nobody knows of."""
    ledger = FakeLedger(claim=[AWAY])

    async def go() -> None:
        lease = Lease(ledger, Rates())
        with pytest.raises(LedgerUnreachable):
            await lease.claim(5, idle=True)
        assert lease.doubtful
        assert lease.jobs == 0

    run(go())


def test_a_cancelled_claim_makes_it_doubtful() -> None:
    """A time limit that strikes during a claim must not leave groups behind."""

    async def never(_: object) -> list[int]:
        await asyncio.sleep(3600)
        return []

    ledger = FakeLedger(claim=[never])

    async def go() -> None:
        lease = Lease(ledger, Rates())
        claim = asyncio.create_task(lease.claim(5, idle=True))
        await turns()
        assert lease.jobs == 1, "a claim under way keeps the lease"
        claim.cancel()
        await asyncio.wait([claim])
        assert lease.doubtful
        assert lease.jobs == 0

    run(go())


def test_what_a_lease_claims_while_it_becomes_doubtful_is_not_begun() -> None:
    """Its groups go back with the lease."""

    async def slow(_: object) -> list[object]:
        await asyncio.sleep(1)
        return claim_reply(claimed(0))

    ledger = FakeLedger(claim=[slow], gate=[AWAY])

    async def go() -> object:
        lease = Lease(ledger, Rates())
        claim = asyncio.create_task(lease.claim(5, idle=True))
        with pytest.raises(LedgerUnreachable):
            await lease.gate(item(1))
        return await claim

    assert run(go()) is None


def test_a_claim() -> None:
    """It asks for as many as wanted under the token, and tells whether we are idle."""
    ledger = FakeLedger(claim=[claim_reply(claimed(3, serial=2, attempts=1))])

    async def go() -> None:
        lease = Lease(ledger, Rates(5.0, 2.0))
        reply = await lease.claim(7, idle=True, at_gate={"c1": 2})
        assert reply is not None
        assert reply.groups == [claimed(3, serial=2, attempts=1)]
        assert ledger.asked[0][1] == [
            *(lease.token, 7, 30_000, 5.0, 2.0, "", 1),
            *("c1", 2),
        ]

    run(go())


def test_giving_back_goes_on_until_nothing_is_left() -> None:
    """A script takes back a bounded number; it is called again for the rest."""
    ledger = FakeLedger(lapse=[[500, 0, 0, 1], [500, 0, 0, 1], [3, 1, 0, 0]])

    async def go() -> None:
        lease = Lease(ledger, Rates())
        await lease.give_back()
        assert [args[1] for _, args in ledger.asked] == [lease.token] * 3

    run(go())


# -- verdicts --------------------------------------------------------------------


def test_verdicts_go_together_and_whole() -> None:
    """One script for all; what belongs together is never cut in two."""
    ledger = FakeLedger()

    async def go() -> None:
        lease = Lease(ledger, Rates())
        pair = (*ask(1, Verdict.BACK), *ask(1, Verdict.RETRY))
        await asyncio.gather(lease.settle(ask(0)), lease.settle(pair))

    run(go())
    assert ledger.count("settle") == 1
    words = [(s.group, s.verdict) for s in ledger.settled()]
    assert words == [(0, "accepted"), (1, "back"), (1, "retry")]


def test_a_verdict_is_told_until_redis_takes_it() -> None:
    """An outage of any length loses no outcome."""
    ledger = FakeLedger(settle=[*[AWAY] * 100, [1]])

    async def go() -> None:
        lease = Lease(ledger, Rates())
        await lease.settle(ask(0))
        assert not lease.doubtful

    run(go())
    assert ledger.count("settle") == 101


def test_one_bad_verdict_does_not_cost_the_others() -> None:
    """Refused together, each is recorded alone; the bad one's asker is told."""

    async def refuse(arguments: list[object]) -> list[int]:
        if any(s.group == 1 for s in settlements(arguments)):
            raise LedgerCorrupt("ILLEGAL accept of a group that is damaged")
        return [1]

    ledger = FakeLedger(settle=[refuse])

    async def go() -> list[object]:
        lease = Lease(ledger, Rates())
        asks = (lease.settle(ask(group)) for group in range(3))
        return list(await asyncio.gather(*asks, return_exceptions=True))

    zero, one, two = run(go())
    assert (zero, type(one), two) == (None, LedgerCorrupt, None)
    assert ledger.count("settle") == 4


# -- jobs ------------------------------------------------------------------------


def job(**more: object) -> Job:
    campaign = Campaign(sender=SENDER, text=TEXT, **more)
    given = claimed(12, serial=4, attempts=1)
    return Job.of(given, Lease(FakeLedger(), Rates()), campaign, MEMBERS)


def test_tickets() -> None:
    """A fresh one spends nothing; a second try tells what the first one cost."""
    one = job()
    assert one.ticket() == GateItem("c1", 12, 5, 2, one.lock, LISTED)
    one.passed()
    one.unsent = 1
    assert one.ticket() == GateItem("c1", 12, 6, 2, one.lock, LISTED, spent=1)
    one.passed()
    assert (one.serial, one.attempts) == (6, 2)
    assert one.ticket().spent == -1


def test_the_cost_of_one_recipient_is_segments() -> None:
    """A group of one without media is an SMS and costs its segments."""
    one = job()
    one.campaign = Campaign(sender=SENDER, text="x" * 161)
    one.leave_out(0b01)
    assert one.ticket().cost == 2


def test_leaving_members_out() -> None:
    """The next send is to the others: its lock and cost, while the last keeps its."""
    one = job()
    before = one.lock
    assert one.leave_out(0b01)
    assert one.to == ("+19195551202",)
    ticket = one.ticket()
    assert (ticket.members, ticket.dropped, ticket.cost) == (LISTED, 0b01, 1)
    assert ticket.lock == member_lock(SENDER, MEMBERS[1:])
    assert one.lock == before
    one.passed()
    assert one.lock == ticket.lock
    assert not one.leave_out(0b10)


def test_one_who_is_left_gets_an_sms() -> None:
    """A group of two that became one pays for segments."""
    one = job()
    one.campaign = Campaign(sender=SENDER, text="x" * 161)
    assert one.ticket().cost == 2
    one.leave_out(0b10)
    assert one.ticket().cost == 2
    one.campaign = Campaign(sender=SENDER, text="x" * 307)
    assert one.ticket().cost == 3


def test_the_left_out_stay_left_out() -> None:
    """A job begins with whoever was left out of the group's last send."""
    given = claimed(12, serial=4, dropped=0b01)
    lease = Lease(FakeLedger(), Rates())
    one = Job.of(given, lease, Campaign(sender=SENDER, text=TEXT), MEMBERS)
    assert one.to == ("+19195551202",)
    assert one.lock == one.ticket().lock == member_lock(SENDER, MEMBERS[1:])


def test_the_lock_ignores_the_order_of_members() -> None:
    """The same people are the same set."""
    campaign, lease = Campaign(sender=SENDER, text=TEXT), Lease(FakeLedger(), Rates())
    locks = {
        Job.of(claimed(12), lease, campaign, members).lock
        for members in (MEMBERS, MEMBERS[::-1])
    }
    assert len(locks) == 1


def test_a_job_shows_nothing_private() -> None:
    """Not in its repr; a tag of the user's own is not shown either."""
    shown = repr(job(tag="private-tag"))
    assert not [secret for secret in (*PRIVATE, "private-tag") if secret in shown]


# -- the shelf -------------------------------------------------------------------


class Shelved(FakeLedger):
    """Chunks whose members tell which group they are."""

    def __init__(self, *errors: BaseException) -> None:
        super().__init__()
        self.errors = list(errors)

    async def chunk(self, load: str, number: int) -> list[Members]:
        await super().chunk(load, number)
        if self.errors:
            raise self.errors.pop(0)
        first = number * CHUNK_GROUPS
        return [(first + place,) for place in range(CHUNK_GROUPS)]


def shelve(ledger: FakeLedger, *groups: int) -> list[Job | BaseException]:
    async def go() -> list[Job | BaseException]:
        shelf, lease = Shelf(ledger), Lease(ledger, Rates())
        jobs = (job_of(claimed(group), lease, shelf) for group in groups)
        return await asyncio.gather(*jobs, return_exceptions=True)

    return run(go())


def members(jobs: list[Job | BaseException]) -> list[Members]:
    return [job.members for job in jobs if isinstance(job, Job)]


def test_many_jobs_one_read() -> None:
    """All groups of a chunk share one read of it, and one of the campaign."""
    ledger = Shelved()
    jobs = shelve(ledger, 0, 5, 127, 128)
    assert members(jobs) == [(0,), (5,), (127,), (128,)]
    assert sorted(ledger.reads) == ["chunk nonce:0", "chunk nonce:1", "spec c1"]


def test_a_job_knows_what_the_claim_said() -> None:
    """Serial and attempts continue where the ledger stands."""

    async def go() -> Job:
        ledger = FakeLedger()
        given = claimed(3, serial=2, attempts=1)
        return await job_of(given, Lease(ledger, Rates()), Shelf(ledger))

    one = run(go())
    assert (one.group, one.serial, one.attempts, one.unsent) == (3, 2, 1, None)


def test_a_failed_read_is_not_kept() -> None:
    """It fails for those who wait for it; the next one reads again."""
    ledger = Shelved(AWAY)

    async def go() -> None:
        shelf, lease = Shelf(ledger), Lease(ledger, Rates())
        both = (job_of(claimed(group), lease, shelf) for group in (0, 1))
        ends = await asyncio.gather(*both, return_exceptions=True)
        assert ends == [AWAY, AWAY]
        assert (await job_of(claimed(2), lease, shelf)).members == (2,)

    run(go())
    assert ledger.reads.count("chunk nonce:0") == 2


def test_one_who_gives_up_does_not_stop_a_read() -> None:
    """The others get the chunk; and a failure nobody waited for is not kept."""
    ledger = Shelved(AWAY)

    async def go() -> None:
        shelf, lease = Shelf(ledger), Lease(ledger, Rates())
        gone = asyncio.create_task(job_of(claimed(0), lease, shelf))
        await asyncio.sleep(0)
        gone.cancel()
        await turns()
        assert (await job_of(claimed(1), lease, shelf)).members == (1,)

    run(go())


def test_the_shelf_is_bounded() -> None:
    """Memory does not grow with the campaign: old chunks are read again."""
    ledger = Shelved()

    async def go() -> None:
        shelf, lease = Shelf(ledger), Lease(ledger, Rates())
        for chunk in [*range(KEPT_CHUNKS + 1), KEPT_CHUNKS, 0]:
            await job_of(claimed(chunk * CHUNK_GROUPS), lease, shelf)

    run(go())
    reads = [read for read in ledger.reads if read.startswith("chunk")]
    assert len(reads) == KEPT_CHUNKS + 2
    assert reads.count("chunk nonce:0") == 2
