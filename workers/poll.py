"""Delivery states from the provider's search, for those whom no callback can reach.

What the search says is written as the callbacks that would have brought it, and put
into the inbox: proof, opt-outs and what codes ask for follow there, in one place. To
poll and to be called back as well is harmless: every event counts once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec
import structlog

from dispatcher.audit import SLACK_S
from dispatcher.errors import UnknownCampaign
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import DeliveryState
from dispatcher.numbers import e164
from dispatcher.tags import build_tag
from workers.bandwidth import Bandwidth
from workers.rounds import keep_doing
from workers.search import FAILURES, Candidate, Status
from workers.survey import survey

log = structlog.get_logger(__name__)

#: Another process polls this long after the one that did went silent. Longer than one
#: chunk takes, all its pages together.
LEASE_MS: Final = 120_000
#: Seconds between two looks at what is awaited.
REST_S: Final = 5.0
#: When another process polls, or a fault has to pass.
STAND_BY_S: Final = 30.0
#: Seconds between two searches for one chunk: half of its age, within these.
SOONEST_S, LATEST_S = 10.0, 1800.0

#: The search's word -> what a callback would say. Others say nothing: RECEIVED, QUEUED.
_STATES: Final[Mapping[str, tuple[str, DeliveryState]]] = {
    "SENDING": ("message-sending", DeliveryState.SENDING),
    "SENT": ("message-sent", DeliveryState.SENT),
    "DELIVERED": ("message-delivered", DeliveryState.DELIVERED),
    **dict.fromkeys(FAILURES, ("message-failed", DeliveryState.FAILED)),
}
#: The code that callbacks have for a receipt that never came.
_EXPIRED: Final = 9902

_encode: Final = msgspec.json.Encoder().encode


class Store(Protocol):
    """Where bodies go."""

    def put(self, body: bytes) -> Awaitable[None]:
        """Keep one; LedgerError if that cannot be said of it."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Accepted groups of one chunk with members of whom the end is not known."""

    campaign: CampaignRow
    groups: Sequence[GroupRow] = field(repr=False)

    def window(self, deadline: float) -> tuple[float, float]:
        """When the provider received them, seconds since 1970."""
        gates = [group.record.gated_at / 1000 for group in self.groups]
        return min(gates) - SLACK_S, max(gates) + deadline + SLACK_S


class Poller:
    """Asks the search how far messages got; idle while another process does.

    Args:
        ledger: Says what is awaited.
        client: Searches.
        inbox: Takes what was found, as bodies of callbacks.
        deadline: Seconds that one send may take.
    """

    def __init__(
        self, ledger: Ledger, client: Bandwidth, inbox: Store, deadline: float
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._inbox = inbox
        self._deadline = deadline
        self._name = secrets.token_hex(6)
        # When to look for a chunk again, by the ledger's clock, ms.
        self._next: dict[str, float] = {}

    async def live(self) -> None:
        """Poll until cancelled; a fault only delays."""
        await keep_doing(self.run_once, "poll", STAND_BY_S)

    async def run_once(self) -> float:
        """Look for all chunks that are due; seconds until the next look.

        Raises:
            DispatchError: Redis does not answer, or the provider does not search.
        """
        if not await self._is_mine():
            return STAND_BY_S
        awaited = await asyncio.to_thread(self._ledger.awaiting)
        self._next = {name: self._next.get(name, 0.0) for name, _ in awaited}
        for name, since in awaited:
            now = await asyncio.to_thread(self._ledger.now_ms)
            if now >= self._next[name]:
                await self._is_mine()
                await self._look(name)
                # New groups of it may be accepted at any time, so it is never given up.
                self._next[name] = now + _pause(now - since)
        return REST_S

    async def _is_mine(self) -> bool:
        return await asyncio.to_thread(
            self._ledger.hold, key("poller"), self._name, LEASE_MS
        )

    async def _look(self, name: str) -> None:
        chunk = await asyncio.to_thread(self._open, name)
        if chunk is None:
            return
        groups = {group.record.tail: group for group in chunk.groups}
        told = 0
        window = chunk.window(self._deadline)
        async for stretch in survey(self._client, chunk.campaign.sender, [window]):
            for message in stretch.messages:
                group = groups.get(message.message_id)
                events = [] if group is None else list(_news(chunk, group, message))
                if events:
                    told += len(events)
                    await self._inbox.put(_encode(events))
        log.debug("poll.looked", campaign=chunk.campaign.id, events=told)

    def _open(self, name: str) -> _Chunk | None:
        """A chunk's groups that are waited for; None where there are none."""
        id_, _, number = name.rpartition("|")
        try:
            campaign = self._ledger.campaign(id_)
            chunk = self._ledger.chunk(campaign, int(number))
        except UnknownCampaign:
            return None
        groups = [group for group in chunk if _is_open(group)]
        return _Chunk(campaign, groups) if groups else None


def _pause(age_ms: float) -> float:
    return min(max(age_ms / 2, SOONEST_S * 1000), LATEST_S * 1000)


def _is_open(group: GroupRow) -> bool:
    """Accepted under an id, and somebody's end is not known."""
    return bool(group.record.tail) and any(
        delivery.state < DeliveryState.DELIVERED for _, delivery in group.expected()
    )


def _news(
    chunk: _Chunk, group: GroupRow, message: Candidate
) -> Iterator[dict[str, Any]]:
    """What the search says of members and the ledger does not know, as events."""
    known = dict(group.expected())
    tag = build_tag(chunk.campaign.load, group.group, group.record.serial)
    head = {"id": message.message_id, "direction": "out", "tag": tag}
    time_ = datetime.fromtimestamp(time.time(), UTC).isoformat()
    for member, status in message.statuses.items():
        kind, state = _STATES.get(status.word, ("", DeliveryState.AWAITING))
        if member in known and state > known[member].state:
            event: dict[str, Any] = {
                "type": kind,
                "time": time_,
                "to": e164(member),
                "message": head,
            }
            if state is DeliveryState.FAILED:
                event["errorCode"] = _code(status)
            yield event


def _code(status: Status) -> int:
    return status.code or (_EXPIRED if status.word == "DLR_EXPIRED" else 0)
