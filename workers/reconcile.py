"""The reconciler: finds out at the provider what became of unknown groups.

One child at a time looks, on its event loop, over connections of its own: a slow
search delays no send, lease or tick. It records only what a search proves or what the
policy decides after one; whatever it does may be done twice or not at all. It never
sends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from msgspec.structs import replace
from structlog.contextvars import bound_contextvars

from dispatcher.errors import DispatchError, LedgerUnreachable
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Settlement, Verdict
from dispatcher.ledger.codec import Members, chunk_of, keep, member_lock
from dispatcher.ledger.doubts import Doubt, due_doubts
from dispatcher.settings import Settings
from workers.bandwidth import Bandwidth
from workers.proof import (
    CLOSE_S,
    Case,
    Decision,
    Hold,
    Proof,
    Resend,
    Rules,
    Wait,
    decide,
)
from workers.rounds import keep_doing
from workers.search import Found, NotMade, Searched, Throttled

log = structlog.get_logger(__name__)

#: Searches a second, of all workers together. The provider takes 3500 in five minutes
#: from one address, whoever asks: a seventh is left for `verify --provider` and people.
SEARCH_RATE: Final = 10.0
#: Groups looked for at the same time. Those of one round begin within two seconds and
#: end within 17, well before the lease (30 s) does.
ROUND: Final = 20
#: Seconds between two rounds when nothing is due; new unknown groups are noticed so.
REST_S: Final = 1.0
#: Shortest rest, so that it never spins.
BREATH_S: Final = 0.01
#: Seconds until a child asks again whether nobody looks.
STAND_BY_S: Final = 5.0
#: Seconds until a group whose data could not be read is tried again.
DAMAGED_S: Final = 60.0

#: Seconds after the grace time within which the reconciler is sure to have decided;
#: then the clock holds what is left. Under `resend` there must be a search first, and
#: after an outage thousands may wait for theirs.
HOLD_MARGIN_S: Final = 5.0
RESEND_MARGIN_S: Final = 1800.0


def held_after(settings: Settings) -> float:
    """Seconds after which the clock holds an unknown group without a search."""
    if settings.unknown_policy == "resend":
        return settings.unknown_grace + RESEND_MARGIN_S
    return settings.unknown_grace + HOLD_MARGIN_S


class Pace:
    """Spaces searches out, and rests when the provider wants it: for all groups.

    Args:
        rate: Searches a second.
    """

    def __init__(self, rate: float = SEARCH_RATE) -> None:
        self._gap = 1 / rate
        self._next = 0.0
        self._rest_until = 0.0
        self._reason: NotMade = Throttled(0.0)

    async def turn(self) -> NotMade | None:
        """Wait for one's turn; why there is none, while it rests."""
        if resting := self.resting:
            return resting
        now = _loop_time()
        turn = max(now, self._next)
        self._next = turn + self._gap
        await asyncio.sleep(turn - now)
        return self.resting

    @property
    def resting(self) -> NotMade | None:
        """What a search would come to now; None if it should be made."""
        left = self._rest_until - _loop_time()
        if left <= 0:
            return None
        return Throttled(left) if isinstance(self._reason, Throttled) else self._reason

    def learn(self, searched: Searched) -> None:
        """Take note of what a search came to."""
        if isinstance(searched, Found):
            self._next += (searched.pages - 1) * self._gap
        else:
            self._reason = searched
            self._rest_until = max(self._rest_until, _loop_time() + searched.rest_s)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a round began, by the ledger's clock, and the provider's skew to it."""

    now: float
    skew: float | None


class Reconciler:
    """One child's reconciler; idle unless it is this child's turn.

    Args:
        child: This child's name in the ledger.
        ledger: Where unknown groups are, and where the findings go.
        client: Searches; knows how far the provider's clock is ahead of ours.
        rules: Grace time and policy.
        clock: Our wall clock, by which the client's skew is measured.
    """

    def __init__(
        self,
        child: str,
        ledger: AsyncLedger,
        client: Bandwidth,
        rules: Rules,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._child = child
        self._ledger = ledger
        self._client = client
        self._rules = rules
        self._clock = clock
        self._pace = Pace()

    async def live(self) -> None:
        """Look until cancelled; a fault of Redis only delays."""
        await keep_doing(self.run_once, "reconciler", STAND_BY_S)

    async def run_once(self) -> float:
        """Look for what is due, if it is this child's turn; seconds until the next.

        Raises:
            LedgerError: Redis does not let it begin.
        """
        doubts = await self._ledger.run(due_doubts(self._child, ROUND))
        if doubts is None:
            return STAND_BY_S
        moment = self._moment(doubts.now / 1000)
        reached = await asyncio.gather(*(self._look(d, moment) for d in doubts.due))
        if not all(reached):
            return STAND_BY_S
        if doubts.more:
            return BREATH_S
        wait = REST_S if doubts.wait is None else doubts.wait / 1000
        return min(REST_S, max(BREATH_S, wait))

    def _moment(self, now: float) -> _Moment:
        """The client compares the provider's clock with ours, the gate has Redis's."""
        skew = self._client.skew.seconds
        ahead = self._clock() - now
        return _Moment(now, None if skew is None else skew + ahead)

    # -- one write ---------------------------------------------------------

    async def _look(self, doubt: Doubt, moment: _Moment) -> bool:
        """Look for one; whether Redis could be reached. It fails for nobody else."""
        with bound_contextvars(campaign=doubt.id, group=doubt.group):
            try:
                await self._resolve(doubt, moment)
            except LedgerUnreachable as error:
                # It stays due.
                log.warning("doubt.postponed", reason=str(error))
                return False
            except Exception:
                log.exception("doubt.unreadable", serial=doubt.serial)
                return await self._postpone(doubt, moment.now)
            return True

    async def _postpone(self, doubt: Doubt, now: float) -> bool:
        """Damaged data: the others go on, and this one not for ever."""
        over = doubt.unknown_at is None and now > doubt.gated_at / 1000 + CLOSE_S
        try:
            await self._plan(doubt, None if over else now + DAMAGED_S)
        except DispatchError:
            return False
        return True

    async def _resolve(self, doubt: Doubt, moment: _Moment) -> None:
        members = await self._members(doubt)
        case = _case(doubt, members)
        searched = await self._search(case, doubt.sender, moment.skew)
        decision = decide(case, searched, moment.now, self._rules, moment.skew)
        verdict = _verdict(doubt, members, decision)
        if verdict is not None:
            await self._record(verdict)
        await self._plan(doubt, self._next(case, decision, moment.now))

    async def _members(self, doubt: Doubt) -> Members:
        chunk, place = chunk_of(doubt.group)
        return (await self._ledger.chunk(doubt.load, chunk))[place]

    async def _search(self, case: Case, sender: str, skew: float | None) -> Searched:
        resting = await self._pace.turn()
        if resting is not None:
            return resting
        searched = await self._client.search(case.query(sender, self._rules, skew))
        self._pace.learn(searched)
        if not isinstance(searched, Found):
            log.warning("search.not_made", code=searched.code, rest_s=searched.rest_s)
        return searched

    async def _record(self, verdict: Settlement) -> None:
        (changed,) = await self._ledger.run(calls.settle("", [verdict]))
        if changed:
            # Proof is what was hoped for; of the rest a person may want to know.
            tell = log.info if verdict.verdict is Verdict.ACCEPTED else log.warning
            tell("doubt.settled", verdict=verdict.verdict.value, serial=verdict.serial)

    def _next(self, case: Case, decision: Decision, now: float) -> float | None:
        """When to look for it again. Held or sent again, its message may yet appear."""
        match decision:
            case Proof():
                return None
            case Wait(until):
                return until
            case _:
                return case.next_look(now, self._rules)

    async def _plan(self, doubt: Doubt, at: float | None) -> None:
        if at is None:
            await self._ledger.drop_doubt(doubt.name)
        else:
            await self._ledger.look_again(doubt.name, at * 1000)


def _case(doubt: Doubt, members: Members) -> Case:
    to = keep(members, doubt.dropped)
    gated_at = doubt.gated_at / 1000
    since = gated_at if doubt.unknown_at is None else doubt.unknown_at / 1000
    return Case(frozenset(to), gated_at, since)


def _verdict(doubt: Doubt, members: Members, decision: Decision) -> Settlement | None:
    """What to record. Policy speaks of open groups only, proof of any."""
    lock = member_lock(doubt.sender, keep(members, doubt.dropped))
    settlement = Settlement(doubt.id, doubt.group, doubt.serial, Verdict.HOLD, lock)
    match decision:
        case Proof(message_id):
            return replace(settlement, verdict=Verdict.ACCEPTED, detail=message_id)
        case Hold() if doubt.is_open:
            return settlement
        case Resend() if doubt.is_open:
            return replace(settlement, verdict=Verdict.RETRY)
        case _:
            return None
