"""Applies stored callbacks: delivery states, proof, opt-outs, and what codes ask for.

One process at a time takes bodies from the head of the inbox, and they are removed only
when everything they say is in the ledger. To apply one twice changes nothing, so a
crash anywhere loses nothing. No number and no text is logged or kept.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeVar

import structlog

from dispatcher.callbacks import Inbound, Report, read_callback
from dispatcher.codes import Action, code_of
from dispatcher.errors import DispatchError, LedgerCorrupt, LedgerUnreachable
from dispatcher.ledger import calls, suppressions
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Settlement
from dispatcher.ledger.deliveries import Answer, Rule, Taken, deliver, take_bodies
from dispatcher.ledger.states import DeliveryState
from dispatcher.ledger.suppressions import Entry, Source
from dispatcher.numbers import e164
from dispatcher.optout import reading
from dispatcher.settings import Settings
from workers.mail import Message, Sorter
from workers.rounds import keep_doing

T = TypeVar("T")

log = structlog.get_logger(__name__)

#: Bodies taken at once.
BODIES: Final = 1000
#: Messages in one script, so that Redis is never busy for long.
BATCH: Final = 200
#: Bodies read before the loop gets its turn: it may belong to the receiver, too.
_READ: Final = 50
#: Seconds until the next look when nothing waits.
REST_S: Final = 0.2
#: When another process applies.
STAND_BY_S: Final = 2.0
#: When Redis is away, or nothing of what waits can be applied yet.
AGAIN_S: Final = 1.0


class Deliveries:
    """Applies what the receiver stored; idle while another process does.

    Attributes:
        counts: What came so far, by kind, for metrics.
    """

    def __init__(self, ledger: AsyncLedger, settings: Settings) -> None:
        self.counts: Counter[str] = Counter()
        self._ledger = ledger
        self._rates = settings.rates
        self._actions = settings.code_actions
        self._name = secrets.token_hex(6)
        self._sorter = Sorter(ledger)
        self._done = 0
        self._put_back: list[bytes] = []

    async def live(self) -> None:
        """Apply until cancelled; a fault only delays."""
        await keep_doing(self.run_once, "deliveries", AGAIN_S)

    async def run_once(self) -> float:
        """Apply what waits, one batch of it; seconds until it is worth going on.

        Raises:
            LedgerError: Redis cannot serve; everything is still there.
        """
        bodies = await self._take()
        if not bodies:
            return STAND_BY_S if bodies is None else REST_S
        try:
            early = await self._apply(bodies)
        except LedgerUnreachable:
            raise
        except Exception:  # noqa: BLE001 - told for the one that it belongs to
            early = await self._apply_each(bodies)
        self._done, self._put_back = len(bodies), early
        return AGAIN_S if len(early) == len(bodies) else 0

    async def _take(self) -> list[bytes] | None:
        done, put_back = self._done, self._put_back
        # Said once only: if the reply is lost it may have been done, and those that
        # would be removed by saying it again are others.
        self._done, self._put_back = 0, []
        return await self._ledger.run(take_bodies(self._name, done, BODIES, put_back))

    async def _apply_each(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Something is wrong with one of them: it must not hold up the others."""
        early: list[bytes] = []
        for body in bodies:
            try:
                early += await self._apply([body])
            except LedgerUnreachable:
                raise
            except LedgerCorrupt as error:
                # Damaged data do not mend by waiting.
                self.counts["damaged"] += 1
                log.warning("callback.dropped", reason=str(error))
            except Exception as error:  # noqa: BLE001 - kept, and tried again
                early.append(body)
                known = isinstance(error, DispatchError)
                reason = str(error) if known else type(error).__name__
                log.warning("callback.postponed", reason=reason)
        return early

    async def _apply(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Do all that these bodies say; those whose time has not come yet."""
        counts: Counter[str] = Counter(bodies=len(bodies))
        inbound, reports = await _read_all(bodies, counts)
        await self._listen(inbound, counts)
        messages = await self._sorter.sort(reports, counts)
        known = {message.tag.load for message in messages}
        await self._suppress([r for _, r in reports if r.tag.load in known])
        early = await self._deliver(messages, self._rules(reports), counts)
        self._tell(counts)
        return [bodies[body] for body in sorted(early)]

    def _tell(self, counts: Counter[str]) -> None:
        self.counts += counts
        told = {kind.replace(" ", "_"): n for kind, n in counts.items() if n}
        log.debug("callbacks.applied", **told)

    # -- what people wrote -------------------------------------------------

    async def _listen(self, inbound: Iterable[Inbound], counts: Counter[str]) -> None:
        """STOP and START, in their order. The text goes no further than here."""
        for event in inbound:
            asked = reading(event.text)
            if asked is not None:
                await self._obey(event, asked)
            counts[asked or "answers"] += 1

    async def _obey(self, event: Inbound, asked: Literal["stop", "start"]) -> None:
        if asked == "stop":
            entry = Entry(event.sender, Source.STOP, event.at)
            await self._ledger.run(suppressions.add([entry]))
        else:
            sender = None if event.to is None else e164(event.to)
            call = suppressions.opt_in([event.sender], sender=sender, at=event.at)
            await self._ledger.run(call)

    # -- what codes ask for ------------------------------------------------

    async def _suppress(self, reports: Iterable[Report]) -> None:
        """Before the delivery is recorded: then it is never forgotten."""
        entries = [
            Entry(number, Source.CODE, report.at)
            for report in reports
            if self._action(report) is Action.SUPPRESS
            for number in report.to
        ]
        for some in _in_batches(entries, suppressions.BATCH):
            await self._ledger.run(suppressions.add(some))

    def _action(self, report: Report) -> Action:
        failed = report.state is DeliveryState.FAILED
        action = code_of(report.code).action if failed else Action.NONE
        return action if action in self._actions else Action.NONE

    def _rules(self, reports: Iterable[tuple[int, Report]]) -> list[Rule]:
        asked = {r.code: self._action(r) for _, r in reports}
        return [
            Rule(code, action, f"code {code}: {code_of(code).sentence}")
            for code, action in asked.items()
            if action is not Action.NONE
        ]

    # -- deliveries --------------------------------------------------------

    async def _deliver(
        self, messages: Sequence[Message], rules: list[Rule], counts: Counter[str]
    ) -> set[int]:
        """Record them; the numbers of the bodies that have to come again."""
        # Together: then one write to Redis's disk confirms them all.
        left = await asyncio.gather(
            *(
                self._deliver_some(some, rules, counts)
                for some in _in_batches(messages, BATCH)
            )
        )
        return {body for some in left for message in some for body in message.bodies}

    async def _deliver_some(
        self, messages: Sequence[Message], rules: list[Rule], counts: Counter[str]
    ) -> list[Message]:
        told = await self._record(messages, rules)
        doubtful = [message for message, answer in told if answer in _DOUBTFUL]
        counts["proven"] += await self._prove(doubtful)
        unproven = [m for m, answer in told if answer is Answer.UNPROVEN]
        last = dict(told) | dict(await self._record(unproven, rules))
        counts.update(answer.name.lower() for answer in last.values())
        # What is not proven even now is an older serial's, while a newer one is on its
        # way: soon it is known which of the two counts.
        return [m for m, answer in last.items() if answer is Answer.UNPROVEN]

    async def _record(
        self, messages: Sequence[Message], rules: list[Rule]
    ) -> list[tuple[Message, Answer]]:
        if not messages:
            return []
        parcels = [message.parcel() for message in messages]
        answers, taken = await self._ledger.run(deliver(self._rates, rules, parcels))
        _tell_actions(taken)
        return list(zip(messages, answers, strict=True))

    async def _prove(self, messages: Sequence[Message]) -> int:
        """Any word of the provider's about a serial proves that it was taken."""
        if not messages:
            return 0
        proofs = await asyncio.gather(*map(self._proof, messages))
        changed = await self._ledger.run(calls.settle("", proofs))
        for message, news in zip(messages, changed, strict=True):
            if news:
                where = {"campaign": message.id, "group": message.tag.group}
                log.info("group.proven", **where, serial=message.tag.serial)
        return sum(changed)

    async def _proof(self, message: Message) -> Settlement:
        campaign = await self._sorter.shelf.campaign(message.id, message.tag.load)
        return message.proof(campaign.sender, await self._ledger.left_out(*message.tag))


_DOUBTFUL: Final = (Answer.UNPROVEN, Answer.OTHER)


def _tell_actions(taken: Sequence[Taken]) -> None:
    for (id_, code, action), times in Counter(
        (t.id, t.code, t.action) for t in taken
    ).items():
        reason = code_of(code).sentence
        log.warning(
            "action.taken",
            campaign=id_,
            action=action.value,
            code=code,
            times=times,
            reason=reason,
        )


async def _read_all(
    bodies: Sequence[bytes], counts: Counter[str]
) -> tuple[list[Inbound], list[tuple[int, Report]]]:
    """What was written to us; and reports, each with the number of its body."""
    inbound: list[Inbound] = []
    reports: list[tuple[int, Report]] = []
    for number, body in enumerate(bodies):
        found = read_callback(body)
        counts.update(reason.value for reason in found.ignored.elements())
        for event in found.events:
            if isinstance(event, Inbound):
                inbound.append(event)
            else:
                reports.append((number, event))
        if number % _READ == _READ - 1:
            await asyncio.sleep(0)
    return inbound, reports


def _in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]
