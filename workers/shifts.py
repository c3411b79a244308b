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
from typing import Any, Final, Literal

import structlog

from dispatcher.campaign import MAX_RECIPIENTS
from dispatcher.errors import DispatchError
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Claimed, Settlement, Verdict
from dispatcher.settings import Settings
from workers.bandwidth import Bandwidth
from workers.breaker import Breaker
from workers.jobs import Job, Lease, job_of
from workers.memory import Memory
from workers.outcomes import Kind
from workers.sending import Sender
from workers.shelf import Shelf

log = structlog.get_logger(__name__)

#: Seconds of claiming in one shift. Short enough that Flower shows progress and
#: that children come by for more urgent work.
SHIFT_S: Final = 20.0
#: A shift waits at most this long for the next permitted send; then it ends, and
#: the clock begins another when something is due.
PATIENCE_S: Final = 1.0
#: Seconds' worth of the account's rate that may be reserved and not yet permitted.
#: More would pass no sooner, and would stand in the way of what is more urgent.
AHEAD_S: Final = 0.25
#: Seconds that a child which called itself back counts as at work: else the clock
#: would call it a second time, and the calls would pile up.
CALLED_S: Final = 3.0
#: Seconds between two signs of life. Leases (30 s) survive four lost ones.
RENEW_S: Final = 2.0
#: Seconds between two looks at the stop flag.
WATCH_S: Final = 0.1
#: Seconds from a stop that groups in flight get to end: one more than the longest HTTP
#: deadline. The whole stop has 20 s, of which Celery takes two.
DRAIN_S: Final = 16.0
#: Seconds to give the rest back then: Redis does it at once or is not there.
GIVE_BACK_S: Final = 1.0
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
        clock: Seconds, never going backwards.

    Attributes:
        stopping: No claim and no gate any more.
        connecting: Jobs that wait for a connection.
    """

    def __init__(
        self,
        child: str,
        ledger: AsyncLedger,
        client: Bandwidth,
        settings: Settings,
        stop_asked: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stopping = False
        self.connecting: set[asyncio.Task[Any]] = set()
        self._child = child
        self._ledger = ledger
        self._slots = settings.slots
        self._rates = settings.rates
        self._stop_asked = stop_asked
        self._clock = clock
        self._shelf = Shelf(ledger)
        self._memory = Memory(child, ledger)
        self._lease = Lease(ledger, self._rates, self._memory.passed)
        self._retired: list[Lease] = []
        self._breaker = Breaker(clock)
        jitter = Random()  # noqa: S311 - spreads retries, hides nothing
        self._sender = Sender(client, ledger, self, settings.application_id, jitter)
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._jobs: set[asyncio.Task[None]] = set()
        # Reserved, not yet let through the gate; and what the last one through cost.
        self._waiting: set[Claimed] = set()
        self._cost = MAX_RECIPIENTS
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._drained_by = 0.0
        # One as a rule; two while one that ran into its time limit is unwound.
        self._shifts = 0
        self._called_until = 0.0

    # -- one shift ---------------------------------------------------------

    async def shift(self) -> tuple[Report, bool]:
        """Work until nothing is due or `SHIFT_S` have passed.

        Returns:
            What was settled, per campaign; and whether to call this child again now.

        Raises:
            LedgerError: Redis does not let it begin.
        """
        self._shifts += 1
        self._called_until = 0.0
        try:
            await self._ledger.run(calls.enter(self._child))
            more = await self._work(self._clock() + SHIFT_S)
        finally:
            self._shifts -= 1
        if self.stopping:
            await self.drain()
            return self._report(), False
        if more:
            self._called_until = self._clock() + CALLED_S
        await self._renew()
        return self._report(), more

    async def _work(self, until: float) -> bool:
        """Whether it ended for the time and not for want of work."""
        while not self.stopping:
            if self._clock() >= until:
                return True
            self._changed.clear()
            wait = await self._fill()
            if wait is None or wait > PATIENCE_S:
                if not self._jobs:
                    return False
                wait = PATIENCE_S
            await self._wait(wait)
        return False

    def _report(self) -> Report:
        report = {id_: dict(counts) for id_, counts in self._counts.items()}
        self._counts.clear()
        return report

    # -- claiming ----------------------------------------------------------

    async def _fill(self) -> float | None:
        """Fill free slots; seconds until it is worth another look (None: never)."""
        want = await self._may_claim()
        if not want:
            return self._until_free()
        self._retire_doubtful()
        lease = self._lease
        reply = await self._claim(lease, want)
        if reply is None:
            return PATIENCE_S
        for claimed in reply.groups:
            self._start(claimed, lease)
        suspect = any(claimed.crashes for claimed in reply.groups)
        if self._jobs and (suspect or reply.alone):
            # A suspect goes alone: this child runs empty for it, and waits for it.
            await self.drain()
        if reply.groups:
            return 0 if len(self._jobs) < self._slots else PATIENCE_S
        return None if reply.wait_ms is None else reply.wait_ms / 1000

    async def _may_claim(self) -> int:
        """How many groups to ask for."""
        if not self._breaker.is_open:
            return self._room()
        if self._breaker.wait_s or self._jobs:
            return 0
        if await self._may_probe():
            self._breaker.probe()
            return 1
        self._breaker.postpone()
        return 0

    def _room(self) -> int:
        """Free slots, but not for more than the account will permit in a moment."""
        free = self._slots - len(self._jobs)
        if self._rates.account is None:
            return free
        ahead = max(1, int(self._rates.account * AHEAD_S / self._cost))
        return max(0, min(free, ahead - len(self._waiting)))

    async def _may_probe(self) -> bool:
        question = calls.breaker(self._child, "probe", PROBE_LEASE_MS)
        try:
            granted = await self._ledger.run(question)
        except DispatchError as error:
            log.warning("probe.failed", reason=str(error))
            return False
        return granted == 1

    def _until_free(self) -> float:
        """A job that ends is noticed at once; so this is for the breaker."""
        if self._jobs or not self._breaker.is_open:
            return PATIENCE_S
        return min(self._breaker.wait_s, PATIENCE_S)

    async def _claim(self, lease: Lease, want: int) -> calls.ClaimReply | None:
        try:
            at_gate = Counter(claimed.id for claimed in self._waiting)
            return await lease.claim(want, idle=not self._jobs, at_gate=at_gate)
        except DispatchError as error:
            log.warning("claim.failed", reason=str(error))
            return None

    def _start(self, claimed: Claimed, lease: Lease) -> None:
        if not lease.begin(claimed):
            log.warning("group.in_hand", campaign=claimed.id, group=claimed.group)
            return
        self._waiting.add(claimed)
        task = asyncio.create_task(self._run(claimed, lease))
        self._jobs.add(task)
        task.add_done_callback(self._ended)

    async def _run(self, claimed: Claimed, lease: Lease) -> None:
        word = "crashed"
        try:
            word = await self._send(claimed, lease)
        except Exception:
            # Nobody knows what it left behind: that goes back with the lease.
            lease.doubtful = True
            log.exception("job.crashed", campaign=claimed.id, group=claimed.group)
        finally:
            lease.end(claimed)
            self._waiting.discard(claimed)
        self._counts[claimed.id][word] += 1

    async def _send(self, claimed: Claimed, lease: Lease) -> str:
        try:
            job = await job_of(claimed, lease, self._shelf)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was sent
            known = isinstance(error, DispatchError)
            reason = str(error) if known else type(error).__name__
            log.warning("group.unreadable", campaign=claimed.id, reason=reason)
            back = Settlement(
                claimed.id, claimed.group, 0, Verdict.BACK, delay_ms=UNREADABLE_DELAY_MS
            )
            await lease.settle((back,))
            return "unreadable"
        return await self._sender.run(job)

    def admitted(self, job: Job) -> None:
        """The gate let it through: there is room for another."""
        self._waiting.discard(job.claimed)
        self._cost = job.cost
        if self._rates.account is not None:
            self._changed.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._changed.set()

    # -- waiting, stopping, staying alive ----------------------------------

    async def _wait(self, seconds: float) -> None:
        """Until a job ended, the stop, or the time."""
        await _up_to(seconds, self._changed)

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past the stop."""
        await _up_to(seconds, self._stopped)

    async def drain(self) -> None:
        """Wait for the jobs on the way, at most until `DRAIN_S` after a stop."""
        left = self._drained_by - self._clock() if self.stopping else DRAIN_S
        if self._jobs:
            await asyncio.wait(set(self._jobs), timeout=max(0.0, left))

    async def live(self) -> None:
        """Watch the stop flag, keep leases and heartbeat; runs beside the shifts."""
        await asyncio.gather(self._watch(), self._keep_alive())

    async def _watch(self) -> None:
        # The flag is another process's: nothing here can tell when it changes.
        while not self._stop_asked():  # noqa: ASYNC110
            await asyncio.sleep(WATCH_S)
        self._stop()

    def _stop(self) -> None:
        if self.stopping:
            return
        self.stopping = True
        self._drained_by = self._clock() + DRAIN_S
        self._stopped.set()
        self._changed.set()
        # To connect may take seconds, and would end at the gate.
        for job in self.connecting:
            job.cancel()

    async def _keep_alive(self) -> None:
        # First: a child that is new here must not be waited for, see identify.lua.
        await self._compare()
        while True:
            await asyncio.gather(self._renew(), self._compare())
            await asyncio.sleep(RENEW_S)

    async def _compare(self) -> None:
        if await self._memory.compare():
            # What it forgot is still under the token there: that goes back.
            self._lease.doubtful = True

    async def _renew(self) -> None:
        self._retire_doubtful()
        leases = [self._lease, *self._retired]
        tokens = [lease.token for lease in leases if lease.jobs]
        at_work = self._shifts > 0 or self._clock() < self._called_until
        try:
            await self._ledger.run(calls.renew(self._child, tokens, in_shift=at_work))
            await self._return_retired()
        except DispatchError as error:
            log.warning("lease.not_renewed", reason=str(error))
        except Exception:
            # Whatever it is: a child without leases would lose all its groups.
            log.exception("lease.not_renewed")

    def _retire_doubtful(self) -> None:
        if self._lease.doubtful:
            self._retired.append(self._lease)
            self._lease = Lease(self._ledger, self._rates, self._memory.passed)

    async def _return_retired(self) -> None:
        """Give back what a retired lease holds besides the jobs that we knew."""
        for lease in [lease for lease in self._retired if not lease.jobs]:
            await lease.give_back()
            # Two may be at it, each after a wait of its own.
            if lease in self._retired:
                self._retired.remove(lease)

    async def heard(self, kind: Kind) -> None:
        """Feed the breaker; tell the ledger when it opened or closed."""
        if kind in (Kind.UNREACHABLE, Kind.UNKNOWN):
            await self._missed(kind)
        elif kind is not Kind.NOT_WRITTEN and self._breaker.answered():
            log.info("provider.reachable")
            await self._tell("up")

    async def _missed(self, kind: Kind) -> None:
        breaker = self._breaker
        opened = breaker.lost() if kind is Kind.UNKNOWN else breaker.failed()
        if opened:
            log.warning("provider.unreachable", outcome=kind.word)
            await self._tell("down")

    async def _tell(self, verdict: Literal["down", "up"]) -> None:
        try:
            await self._ledger.run(calls.breaker(self._child, verdict, 0))
        except DispatchError as error:
            # No outcome may get lost for it: the others find out by themselves.
            log.warning("breaker.not_told", reason=str(error))

    async def close(self) -> None:
        """The child ends: end what is on the way, give the rest back."""
        self._stop()
        await self.drain()
        await self._break_off()
        try:
            async with asyncio.timeout(GIVE_BACK_S):
                for lease in [self._lease, *self._retired]:
                    await lease.give_back()
                await self._ledger.run(calls.leave(self._child))
        except (TimeoutError, DispatchError) as error:
            # They lapse in the ledger, where another child's clock finds them.
            log.warning("lease.not_returned", reason=type(error).__name__)

    async def _break_off(self) -> None:
        """What did not end in time: unsent, or written and never answered."""
        if not self._jobs:
            return
        log.warning("jobs.broken_off", jobs=len(self._jobs))
        for job in self._jobs:
            job.cancel()
        await asyncio.wait(set(self._jobs), timeout=GIVE_BACK_S)


async def _up_to(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event, but not longer; at least one turn of the loop."""
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
