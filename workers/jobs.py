"""What a worker child holds: leases, and the jobs reserved under them.

A job is one claimed group with everything needed to send it. Its members and
text never leave this process but to the provider: no repr shows them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_random_exponential,
)

from dispatcher.campaign import Campaign
from dispatcher.coalesce import Coalescer
from dispatcher.errors import LedgerCorrupt, LedgerUnreachable
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Claimed, ClaimReply, GateItem, Rates, Settlement
from dispatcher.ledger.codec import Members, keep, listed, member_lock
from dispatcher.ledger.scripts import Call
from dispatcher.numbers import e164
from dispatcher.tags import build_tag
from dispatcher.units import units
from workers.connection import boottime
from workers.shelf import Shelf

T = TypeVar("T")

#: Groups in one gate or settle script, so that Redis is never busy for long.
BATCH: Final = 200
#: Times that a Redis which answers may refuse to record something (it may be a
#: replica for a moment): about a minute.
REFUSALS: Final = 40


class Passed(NamedTuple):
    """The gate's answer, and when it was asked (`boottime`, seconds)."""

    answer: int
    asked_at: float


async def until_taken(
    call: Callable[[], Awaitable[T]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Make a call that is harmless when repeated until Redis takes it.

    Raises:
        Exception: Redis is there and refused `REFUSALS` times; or what is stored
            breaks a rule.
    """

    async def attempt() -> T:
        # tenacity awaits only what it can see to be a coroutine function.
        return await call()

    return await AsyncRetrying(
        retry=retry_if_exception(_may_pass),
        wait=wait_random_exponential(0.1, max=2),
        stop=_is_refused,
        sleep=sleep,
        reraise=True,
    )(attempt)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, LedgerCorrupt)


def _is_refused(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    away = isinstance(error, LedgerUnreachable)
    return not away and state.attempt_number >= REFUSALS


class Lease:
    """One fencing token and the calls made under it.

    A claim or gate whose reply got lost may have run, or may yet run. The lease is
    doubtful from then on: no further job begins under its token, so that whatever
    still carries it later is known to be unsent; and what it holds besides its known
    jobs goes back when those are done.

    Two jobs of one group never run under one token: the ledger could not tell them
    apart, and what one hands back as unsent might be what the other has written.

    Args:
        passed: Told the ledger's count after each gate.

    Attributes:
        jobs: Jobs and claims under way.
        doubtful: Nothing more may be claimed under it.
    """

    def __init__(
        self,
        ledger: AsyncLedger,
        rates: Rates,
        passed: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.token = secrets.token_hex(6)
        self.jobs = 0
        self.doubtful = False
        self._groups: set[tuple[str, int]] = set()
        self._ledger = ledger
        self._rates = rates
        self._passed = passed
        self.gate = Coalescer(self._gate, BATCH)
        self.settle = Coalescer(self._settle, BATCH)

    async def claim(
        self, want: int, *, idle: bool, at_gate: Mapping[str, int] | None = None
    ) -> ClaimReply | None:
        """Reserve groups; None when the lease became doubtful in the meantime.

        Args:
            want: At most so many.
            idle: The child holds nothing.
            at_gate: Its groups that wait at the gate, by campaign.
        """
        self.jobs += 1
        try:
            reply = await self._sure(
                calls.claim(self.token, want, self._rates, idle=idle, at_gate=at_gate)
            )
        finally:
            self.jobs -= 1
        return None if self.doubtful else reply

    def begin(self, claimed: Claimed) -> bool:
        """Count a job; False when it must not run, and goes back with the lease.

        A group that is still in hand can be claimed again: the lease lapsed while this
        child was stopped, or a call that was given up ran after all.
        """
        group = (claimed.id, claimed.group)
        if group in self._groups:
            self.doubtful = True
            return False
        self._groups.add(group)
        self.jobs += 1
        return True

    def end(self, claimed: Claimed) -> None:
        """The job is over."""
        self._groups.remove((claimed.id, claimed.group))
        self.jobs -= 1

    async def give_back(self) -> None:
        """Return what is still reserved: unsent groups at once, others unknown."""
        while (await self._ledger.run(calls.lapse(self.token))).more:
            pass

    async def _sure(self, call: Call[T]) -> T:
        try:
            return await self._ledger.run(call)
        except BaseException:
            self.doubtful = True
            raise

    async def _gate(self, items: Sequence[GateItem]) -> list[Passed]:
        asked_at = boottime()
        reply = await self._sure(calls.gate(self.token, self._rates, items))
        self._passed(reply.total)
        return [Passed(answer, asked_at) for answer in reply.answers]

    async def _settle(
        self, asks: Sequence[tuple[Settlement, ...]]
    ) -> Sequence[Exception | None]:
        """Verdicts are true and must not get lost: tried until Redis takes them.

        The settlements of one ask belong together: one script records them all.
        """
        try:
            await until_taken(lambda: self._record(asks))
        except Exception as error:  # noqa: BLE001 - given to those who asked
            if len(asks) == 1:
                return [error]
            # One group that cannot be recorded must not cost the others theirs.
            return [await self._alone(ask) for ask in asks]
        return [None] * len(asks)

    async def _alone(self, ask: tuple[Settlement, ...]) -> Exception | None:
        try:
            await self._record([ask])
        except Exception as error:  # noqa: BLE001 - as above
            return error
        return None

    async def _record(self, asks: Sequence[tuple[Settlement, ...]]) -> None:
        items = [item for ask in asks for item in ask]
        await self._ledger.run(calls.settle(self.token, items))


@dataclass(slots=True)
class Job:
    """One claimed group on its way.

    Attributes:
        members: Everybody in the group, also who is left out.
        serial: The last serial that passed the gate.
        dropped: Bit mask of members left out of that send.
        lock: Name of the lock that it holds: on the sender and those people.
        leaving_out, next_lock: The same for the next send: who has opted out since is
            left out of it, too.
        recipients: Whom the next send is for.
        attempts: Sends that counted as an attempt, recorded in the ledger.
        unsent: Attempts that serial cost (0 or 1), once it is proven unsent and
            that is not in the ledger yet; None before.
    """

    claimed: Claimed
    lease: Lease
    campaign: Campaign = field(repr=False)
    members: Members = field(repr=False)
    serial: int
    attempts: int
    unsent: int | None = None
    dropped: int = 0
    leaving_out: int = 0
    lock: str = ""
    next_lock: str = ""
    recipients: Members = field(default=(), repr=False)

    @classmethod
    def of(
        cls, claimed: Claimed, lease: Lease, campaign: Campaign, members: Members
    ) -> Self:
        """A job as it begins."""
        job = cls(claimed, lease, campaign, members, claimed.serial, claimed.attempts)
        job.leave_out(claimed.dropped)
        job.dropped, job.lock = job.leaving_out, job.next_lock
        return job

    @property
    def gated(self) -> bool:
        """Its last serial passed the gate in this shift, and is not proven unsent."""
        return self.was_gated and self.unsent is None

    @property
    def was_gated(self) -> bool:
        """It passed the gate in this shift."""
        return self.serial > self.claimed.serial

    @property
    def id(self) -> str:
        """The campaign's id."""
        return self.claimed.id

    @property
    def group(self) -> int:
        """The group's number."""
        return self.claimed.group

    @property
    def to(self) -> tuple[str, ...]:
        """Whom the next send is for, as the provider wants them."""
        return tuple(map(e164, self.recipients))

    @property
    def tag(self) -> str:
        """What callbacks echo. The gate is about to be asked for its serial."""
        return build_tag(
            self.claimed.load, self.group, self.serial + 1, self.campaign.tag
        )

    @property
    def cost(self) -> int:
        """Units of the next send."""
        campaign = self.campaign
        return units(len(self.recipients), campaign.text, bool(campaign.media))

    def ticket(self) -> GateItem:
        """What the gate is asked."""
        spent = -1 if self.unsent is None else self.unsent
        return GateItem(
            *(self.id, self.group, self.serial + 1, self.cost, self.next_lock),
            members=listed(self.members),
            dropped=self.leaving_out,
            spent=spent,
        )

    def leave_out(self, mask: int) -> bool:
        """Leave members out of the next send; whether anybody else is left."""
        self.leaving_out |= mask
        self.recipients = keep(self.members, self.leaving_out)
        self.next_lock = member_lock(self.campaign.sender, self.recipients)
        return bool(self.recipients)

    def passed(self) -> None:
        """The gate let it through: a new serial, the one before is in the ledger."""
        self.serial += 1
        self.attempts += self.unsent or 0
        self.unsent = None
        self.dropped, self.lock = self.leaving_out, self.next_lock


async def job_of(claimed: Claimed, lease: Lease, shelf: Shelf) -> Job:
    """Everything needed to send a claimed group.

    Raises:
        LedgerError: Its chunk or its campaign is not there.
    """
    members = await shelf.members(claimed.load, claimed.group)
    campaign = await shelf.campaign(claimed.id, claimed.load)
    return Job.of(claimed, lease, campaign, members)
