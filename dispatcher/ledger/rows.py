"""What the ledger's stored campaigns and groups read as. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.ledger.codec import CHUNK_GROUPS, Members, Record
from dispatcher.ledger.states import CampaignState, GroupState

_FRESH = Record.unpack(None)


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A stored campaign. Times are ms since the epoch, 0 where not set."""

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
    cursor: int = 0
    counts: Mapping[GroupState, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    created_at: float = 0
    started_at: float = 0
    ended_at: float = 0
    starts_at: float = 0

    @classmethod
    def parse(cls, id: str, raw: Mapping[bytes, bytes]) -> CampaignRow:  # noqa: A002 - the public word for it
        """Read the hash as Redis returns it."""
        text = {name.decode(): value.decode() for name, value in raw.items()}
        fields: dict[str, Any] = {name: text[name] for name in _TEXTS if name in text}
        fields |= {name: int(float(text.get(name, 0))) for name in _WHOLE}
        fields |= {name: float(text.get(name, 0)) for name in _TIMES}
        fields |= {name: json.loads(text.get(name, "{}")) for name in _TABLES}
        counts = {state: int(text.get(state.word, 0)) for state in GroupState}
        return cls(id, CampaignState(text["state"]), counts=counts, **fields)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in (CampaignState.DONE, CampaignState.CANCELLED)


_TEXTS = ("reason", "load", "content", "spec", "sender")
_TABLES = ("rejected", "dropped")
_WHOLE = ("recipients", "units", "gated", "gated_units", "doubled", "groups", "cursor")
_TIMES = ("created_at", "started_at", "ended_at", "starts_at")


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group: its number, who is in it, what happened."""

    group: int
    members: Members = field(repr=False)
    record: Record

    @property
    def dropped(self) -> Members:
        """Members left out of the last send."""
        mask = self.record.dropped
        return tuple(m for i, m in enumerate(self.members) if mask >> i & 1)


@dataclass(frozen=True, slots=True)
class MemberChunk:
    """One chunk with its records."""

    number: int
    groups: list[Members] = field(repr=False)
    records: Mapping[int, Record]

    def rows(self, campaign: CampaignRow) -> Iterator[GroupRow]:
        """The groups, in order, as they stand in this campaign."""
        for place, members in enumerate(self.groups):
            group = self.number * CHUNK_GROUPS + place
            record = self.records.get(group, _FRESH)
            yield GroupRow(group, members, standing(campaign, record))


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
