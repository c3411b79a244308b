"""What the ledger's stored campaigns and groups read as. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.codes import Action
from dispatcher.ledger.codec import CHUNK_GROUPS, Members, Record, keep, member_lock
from dispatcher.ledger.delivery import Delivery, unpack_deliveries
from dispatcher.ledger.states import CampaignState, DeliveryState, GroupState

_FRESH = Record.unpack(None)


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A stored campaign. Times are ms since the epoch, 0 where not set.

    Attributes:
        counts: Groups by state.
        delivery: Recipients of accepted groups by delivery state.
        codes: Recipients it could not be delivered to, by code.
        actions: How often something was done because of a code.
        archived_at: When it was archived; there are no groups any more then.
        ended: Of an archived one: done or cancelled.
        where: Where it was exported to.
    """

    id: str
    state: CampaignState
    reason: str = ""
    load: str = ""
    content: str = ""
    spec: str = field(default="", repr=False)
    sender: str = field(default="", repr=False)
    recipients: int = 0
    units: int = 0
    gated: int = 0
    gated_units: int = 0
    doubled: int = 0
    groups: int = 0
    lanes: int = 0
    cursor: int = 0
    counts: Mapping[GroupState, int] = field(default_factory=dict)
    delivery: Mapping[DeliveryState, int] = field(default_factory=dict)
    codes: Mapping[int, int] = field(default_factory=dict)
    actions: Mapping[tuple[Action, int], int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    created_at: float = 0
    started_at: float = 0
    ended_at: float = 0
    starts_at: float = 0
    slow_pace: float = 0
    slow_until: float = 0
    archived_at: float = 0
    ended: str = ""
    where: str = ""

    @classmethod
    def parse(cls, id: str, raw: Mapping[bytes, bytes]) -> CampaignRow:  # noqa: A002 - the public word for it
        """Read the hash as Redis returns it."""
        text = {name.decode(): value.decode() for name, value in raw.items()}
        fields: dict[str, Any] = {name: text[name] for name in _TEXTS if name in text}
        fields |= {name: int(float(text.get(name, 0))) for name in _WHOLE}
        fields |= {name: float(text.get(name, 0)) for name in _FLOATS}
        fields |= {name: json.loads(text.get(name, "{}")) for name in _TABLES}
        counts = {state: int(text.get(state.word, 0)) for state in GroupState}
        delivery = {state: int(text.get(state.counter, 0)) for state in DeliveryState}
        return cls(
            *(id, CampaignState(text["state"])),
            counts=counts,
            delivery=delivery,
            codes=_codes(text),
            actions=_actions(text),
            **fields,
        )

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in (CampaignState.DONE, CampaignState.CANCELLED)


_TEXTS = ("reason", "load", "content", "spec", "sender", "ended", "where")
_TABLES = ("rejected", "dropped")
_WHOLE = (
    *("recipients", "units", "gated", "gated_units", "doubled"),
    *("groups", "lanes", "cursor"),
)
_FLOATS = (
    *("created_at", "started_at", "ended_at", "starts_at"),
    *("slow_pace", "slow_until", "archived_at"),
)


def _counted(text: Mapping[str, str], kind: str) -> Iterator[tuple[list[str], int]]:
    """The counters that deliver.lua names `kind:...`: what follows, and the count."""
    for name, value in text.items():
        if name.startswith(f"{kind}:"):
            yield name.split(":")[1:], int(value)


def _codes(text: Mapping[str, str]) -> dict[int, int]:
    return {int(code): number for (code,), number in _counted(text, "code")}


def _actions(text: Mapping[str, str]) -> dict[tuple[Action, int], int]:
    found = _counted(text, "action")
    return {(Action(action), int(code)): number for (action, code), number in found}


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A run of groups with the same sending hours.

    Attributes:
        first: Its first group.
        end: The group after its last.
        cursor: The next fresh one.
        rule: When they may be sent, as `hours.Rule` writes it; "" means always.
    """

    first: int
    end: int
    cursor: int
    rule: str

    @classmethod
    def parse(cls, campaign: CampaignRow, raw: Mapping[bytes, bytes]) -> list[LaneRow]:
        """Read the hash as Redis returns it; one lane of all where there is none."""
        if not campaign.lanes:
            return [cls(0, campaign.groups, campaign.cursor, "")]
        return [cls._parse(place, raw) for place in range(campaign.lanes)]

    @classmethod
    def _parse(cls, place: int, raw: Mapping[bytes, bytes]) -> LaneRow:
        first, end, rule = raw[b"%d" % place].decode().split(" ", 2)
        cursor = int(raw.get(b"%d:at" % place, first))
        return cls(int(first), int(end), cursor, rule)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group: its number, who is in it, what happened.

    Attributes:
        deliveries: How far it got to each member.
    """

    group: int
    members: Members = field(repr=False)
    record: Record
    deliveries: tuple[Delivery, ...] = ()

    @property
    def dropped(self) -> Members:
        """Members left out of the last send."""
        return keep(self.members, ~self.record.dropped)

    @property
    def sent_to(self) -> Members:
        """All others: whom the last send was for."""
        return keep(self.members, self.record.dropped)

    def lock(self, sender: str) -> str:
        """The name of the lock that its last send holds, or would hold."""
        return member_lock(sender, self.sent_to)

    def expected(self) -> Iterator[tuple[int, Delivery]]:
        """Members that it went to, as far as is known; nobody before it was accepted.

        A member that was left out and has a delivery all the same got an earlier send.
        """
        if self.record.state != GroupState.ACCEPTED:
            return
        for place, (member, delivery) in enumerate(
            zip(self.members, self.deliveries, strict=True)
        ):
            if delivery.state or not self.record.dropped >> place & 1:
                yield member, delivery


@dataclass(frozen=True, slots=True)
class MemberChunk:
    """One chunk with its records."""

    number: int
    groups: list[Members] = field(repr=False)
    records: Mapping[int, Record]
    deliveries: Mapping[int, bytes] = field(default_factory=dict)

    def rows(self, campaign: CampaignRow) -> Iterator[GroupRow]:
        """The groups, in order, as they stand in this campaign."""
        for place, members in enumerate(self.groups):
            group = self.number * CHUNK_GROUPS + place
            record = self.records.get(group, _FRESH)
            delivered = unpack_deliveries(self.deliveries.get(group), len(members))
            yield GroupRow(group, members, standing(campaign, record), delivered)


_WAITING = (GroupState.PENDING, GroupState.RETRY)


def standing(campaign: CampaignRow, record: Record) -> Record:
    """In a cancelled campaign, whatever still waited counts as cancelled."""
    if campaign.state != CampaignState.CANCELLED or record.state not in _WAITING:
        return record
    return Record(
        GroupState.CANCELLED,
        record.attempts,
        record.crashes,
        record.flags,
        record.dropped,
        record.serial,
        record.gated_at,
        record.tail or campaign.reason,
    )
