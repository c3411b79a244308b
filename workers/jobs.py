"""What a worker child holds: leases, and the jobs reserved under them.

A job is one claimed group with everything needed to send it. Its members and
text never leave this process but to the provider: no repr shows them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_never,
    wait_random_exponential,
)

from dispatcher.campaign import Campaign
from dispatcher.errors import LedgerUnreachable
from dispatcher.ledger import calls
from dispatcher.ledger.calls import Claimed, GateItem, Rates, Settlement
from dispatcher.ledger.codec import Members, chunk_of, member_lock
from dispatcher.ledger.ledger import AsyncLedger
from dispatcher.numbers import e164
from dispatcher.units import units
from workers.coalesce import Coalescer
from workers.connection import boottime

K = TypeVar("K")
V = TypeVar("V")

#: Groups in one gate or settle script, so that Redis is never busy for long.
BATCH: Final = 200
#: Chunks and campaigns kept in memory; a chunk is some 100 KB of numbers.
KEPT_CHUNKS: Final = 32
KEPT_CAMPAIGNS: Final = 256


@dataclass(frozen=True, slots=True)
class Passed:
    """The gate's answer, and when it was asked (`boottime`, seconds)."""

    answer: int
    asked_at: float


class Lease:
    """One fencing token and the calls made under it.

    A claim whose reply got lost may have reserved groups that nobody knows of:
    the lease is then retired, and what it holds goes back when its known jobs
    are done.
    """

    def __init__(self, ledger: AsyncLedger, rates: Rates) -> None:
        self.token = secrets.token_hex(6)
        self.jobs = 0
        self._ledger = ledger
        self._rates = rates
        self.gate = Coalescer(self._gate, BATCH)
        self.settle = Coalescer(self._settle, BATCH)

    async def _gate(self, items: Sequence[GateItem]) -> list[Passed]:
        asked_at = boottime()
        answers = await self._ledger.run(calls.gate(self.token, self._rates, items))
        return [Passed(answer, asked_at) for answer in answers]

    async def _settle(self, items: Sequence[Settlement]) -> list[int]:
        """Verdicts are true and must not get lost: tried until Redis takes them."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(LedgerUnreachable),
            wait=wait_random_exponential(0.1, max=2),
            stop=stop_never,
            reraise=True,
        ):
            with attempt:
                return await self._ledger.run(calls.settle(self.token, items))
        raise AssertionError  # pragma: no cover - the loop above returns or raises


@dataclass(slots=True)
class Job:
    """One claimed group on its way.

    Attributes:
        serial: The last serial that passed the gate.
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
        """The members as the provider wants them."""
        return tuple(map(e164, self.members))

    @property
    def tag(self) -> str:
        """nonce.group.serial, then the user's own: what callbacks echo.

        The serial is the one that the gate is about to be asked for.
        """
        own = f"{self.claimed.load}.{self.group}.{self.serial + 1}"
        return f"{own}.{self.campaign.tag}" if self.campaign.tag else own

    @property
    def lock(self) -> bytes:
        """Name of the lock on (sender, members)."""
        return member_lock(self.campaign.sender, self.members)

    def ticket(self) -> GateItem:
        """What the gate is asked."""
        campaign = self.campaign
        cost = units(len(self.members), campaign.text, bool(campaign.media))
        spent = -1 if self.unsent is None else self.unsent
        return GateItem(self.id, self.group, self.serial + 1, cost, self.lock, spent)

    def passed(self) -> None:
        """The gate let it through: a new serial, the one before is in the ledger."""
        self.serial += 1
        self.attempts += self.unsent or 0
        self.unsent = None


class _Kept(Generic[K, V]):
    """The most recently read values; many who want one read it once.

    Args:
        read: Reads one.
        limit: How many are kept.
    """

    def __init__(self, read: Callable[[K], Coroutine[Any, Any, V]], limit: int) -> None:
        self._read = read
        self._limit = limit
        self._tasks: OrderedDict[K, asyncio.Task[V]] = OrderedDict()

    async def get(self, name: K) -> V:
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = asyncio.create_task(self._read(name))
            if len(self._tasks) > self._limit:
                self._tasks.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except Exception:
            self._tasks.pop(name, None)
            raise


class Shelf:
    """Campaigns and chunks as read from the ledger; both never change there."""

    def __init__(self, ledger: AsyncLedger) -> None:
        self._ledger = ledger
        self._chunks = _Kept(self._read_chunk, KEPT_CHUNKS)
        self._campaigns = _Kept(self._read_campaign, KEPT_CAMPAIGNS)

    async def job(self, claimed: Claimed, lease: Lease) -> Job:
        """Everything needed to send a claimed group.

        Raises:
            LedgerError: Its chunk or its campaign is not there.
        """
        chunk, place = chunk_of(claimed.group)
        members = (await self._chunks.get((claimed.load, chunk)))[place]
        campaign = await self._campaigns.get((claimed.id, claimed.load))
        return Job(claimed, lease, campaign, members, claimed.serial, claimed.attempts)

    async def _read_chunk(self, name: tuple[str, int]) -> list[Members]:
        return await self._ledger.chunk(*name)

    async def _read_campaign(self, name: tuple[str, str]) -> Campaign:
        return Campaign.from_json(await self._ledger.spec(name[0]))
