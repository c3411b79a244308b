"""A shift: claim, send, refill slots as they free, until there is nothing to do.

One `Crew` lives in each worker child, on its event loop, for as long as the
child does. A shift is a stretch of its claiming; what is still on the wire when
one ends is counted by the next, so that one slow answer never idles the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from random import Random
from typing import Final

import structlog

from dispatcher.errors import DispatchError, LedgerUnreachable
from dispatcher.ledger import calls
from dispatcher.ledger.calls import Claimed, Rates, Settlement, Verdict
from dispatcher.ledger.ledger import AsyncLedger
from dispatcher.settings import Settings
from workers.bandwidth import Bandwidth
from workers.breaker import Breaker
from workers.jobs import Lease, Shelf
from workers.sending import Sender

log = structlog.get_logger(__name__)

#: Seconds of claiming in one shift. Short enough that Flower shows progress and
#: that children come by for more urgent work.
SHIFT_S: Final = 20.0
#: A shift waits at most this long for the next permitted send; then it ends, and
#: the clock begins another when something is due.
PATIENCE_S: Final = 1.0
#: Seconds between two signs of life. Leases (30 s) survive four lost ones.
RENEW_S: Final = 2.0
#: Seconds between two looks at the stop flag.
WATCH_S: Final = 0.1
#: Seconds that groups in flight get to end at a stop: the HTTP deadline is
#: shorter, and the whole stop has 20 s.
DRAIN_S: Final = 17.0
#: The lease of the one child that may try the provider during an outage.
PROBE_LEASE_MS: Final = 20_000
#: A group whose data cannot be read now comes back after this long.
UNREADABLE_DELAY_MS: Final = 5000

Report = dict[str, dict[str, int]]


class Crew:
    """The slots of one worker child and what fills them.

    Args:
        child: This child's name in the ledger.
        stop_asked: Whether the worker was told to stop; looked at often.

    Attributes:
        stopping: No claim and no gate any more.
    """

    def __init__(
        self,
        child: str,
        ledger: AsyncLedger,
        client: Bandwidth,
        settings: Settings,
        stop_asked: Callable[[], bool],
    ) -> None:
        self.stopping = False
        self._child = child
        self._ledger = ledger
        self._slots = settings.slots
        self._rates = Rates(settings.account_rate, settings.sender_rate)
        self._stop_asked = stop_asked
        self._shelf = Shelf(ledger)
        self._lease = Lease(ledger, self._rates)
        self._retired: list[Lease] = []
        self._breaker = Breaker(time.monotonic)
        self._sender = Sender(client, ledger, self, settings.application_id, Random())
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._jobs: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._in_shift = False
        self._more = False

    # -- one shift ---------------------------------------------------------

    async def shift(self) -> tuple[Report, bool]:
        """Work until nothing is due or `SHIFT_S` have passed.

        Returns:
            What was settled, per campaign; and whether there is more to do now.
        """
        await self._ledger.run(calls.enter(self._child))
        self._in_shift, self._more = True, False
        try:
            await self._work(time.monotonic() + SHIFT_S)
        finally:
            self._in_shift = False
        if self.stopping:
            await self.drain()
        await self._renew()
        return self._report(), self._more and not self.stopping

    async def _work(self, until: float) -> None:
        while not self.stopping:
            if time.monotonic() >= until:
                self._more = True
                return
            wait = await self._fill()
            if wait is None or wait > PATIENCE_S:
                if not self._jobs:
                    return
                wait = PATIENCE_S
            await self._wait(wait)

    def _report(self) -> Report:
        report = {id_: dict(counts) for id_, counts in self._counts.items()}
        self._counts.clear()
        return report

    # -- claiming ----------------------------------------------------------

    async def _fill(self) -> float | None:
        """Fill free slots; seconds until it is worth another look (None: never)."""
        want = await self._may_claim()
        if not want:
            return PATIENCE_S if not self._breaker.is_open else self._breaker.wait_s
        reply = await self._claim(want)
        if reply is None:
            return PATIENCE_S
        for claimed in reply.groups:
            self._start(claimed)
        if reply.alone and self._jobs:
            # A suspect goes alone: let this child run empty for it.
            await self.drain()
        if reply.groups:
            return 0 if len(self._jobs) < self._slots else PATIENCE_S
        return None if reply.wait_ms is None else reply.wait_ms / 1000

    async def _may_claim(self) -> int:
        """How many groups to ask for."""
        if not self._breaker.is_open:
            return self._slots - len(self._jobs)
        if self._breaker.wait_s or self._jobs:
            return 0
        probe = calls.breaker(self._child, "probe", PROBE_LEASE_MS)
        if await self._ledger.run(probe):
            return 1
        self._breaker.postpone()
        return 0

    async def _claim(self, want: int) -> calls.ClaimReply | None:
        question = calls.claim(
            self._lease.token, want, self._rates, idle=not self._jobs
        )
        try:
            return await self._ledger.run(question)
        except LedgerUnreachable:
            # It may have reserved groups for us: let that token lapse.
            self._retire()
            log.warning("claim.failed", reason="redis does not answer")
            return None

    def _start(self, claimed: Claimed) -> None:
        self._lease.jobs += 1
        task = asyncio.create_task(self._run(claimed, self._lease))
        self._jobs.add(task)
        task.add_done_callback(self._ended)

    async def _run(self, claimed: Claimed, lease: Lease) -> None:
        try:
            word = await self._send(claimed, lease)
            self._counts[claimed.id][word] += 1
        finally:
            lease.jobs -= 1

    async def _send(self, claimed: Claimed, lease: Lease) -> str:
        try:
            job = await self._shelf.job(claimed, lease)
        except DispatchError as error:
            log.warning("group.unreadable", campaign=claimed.id, reason=str(error))
            back = Settlement(
                claimed.id, claimed.group, 0, Verdict.BACK, delay_ms=UNREADABLE_DELAY_MS
            )
            await lease.settle(back)
            return "unreadable"
        return await self._sender.run(job)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._changed.set()

    # -- waiting, stopping, staying alive ----------------------------------

    async def _wait(self, seconds: float) -> None:
        """Until a job ended, the stop, or the time."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), max(seconds, 0))
        except TimeoutError:
            pass

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past the stop."""
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            pass

    async def drain(self) -> None:
        """Wait for the jobs on the way, at most `DRAIN_S`."""
        if self._jobs:
            await asyncio.wait(set(self._jobs), timeout=DRAIN_S)

    async def live(self) -> None:
        """Keep leases and heartbeat, watch the stop flag; runs beside the shifts."""
        due = 0.0
        while True:
            if self._stop_asked() and not self.stopping:
                self.stopping = True
                self._stopped.set()
                self._changed.set()
            if time.monotonic() >= due:
                due = time.monotonic() + RENEW_S
                await self._renew()
            await asyncio.sleep(WATCH_S)

    async def _renew(self) -> None:
        leases = [self._lease, *self._retired]
        tokens = [lease.token for lease in leases if lease.jobs]
        alive = calls.renew(self._child, tokens, in_shift=self._in_shift)
        try:
            await self._ledger.run(alive)
            await self._return_retired()
        except DispatchError as error:
            log.warning("lease.not_renewed", reason=str(error))

    def _retire(self) -> None:
        self._retired.append(self._lease)
        self._lease = Lease(self._ledger, self._rates)

    async def _return_retired(self) -> None:
        """Give back what a retired lease holds besides the jobs that we knew."""
        for lease in [lease for lease in self._retired if not lease.jobs]:
            while (await self._ledger.run(calls.lapse(lease.token))).more:
                pass
            self._retired.remove(lease)

    async def reachable(self, *, reached: bool) -> None:
        """Feed the breaker; tell the ledger when it opened or closed."""
        if not reached:
            if self._breaker.failed():
                log.warning("provider.unreachable")
                await self._ledger.run(calls.breaker(self._child, "down", 0))
        elif self._breaker.answered():
            log.info("provider.reachable")
            await self._ledger.run(calls.breaker(self._child, "up", 0))

    async def close(self) -> None:
        """The child ends: end what is on the way, give the rest back."""
        self.stopping = True
        self._stopped.set()
        await self.drain()
        self._retire()
        await self._return_retired()
