"""Groups of which nobody knows whether they were taken, for a page. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dispatcher import words
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.logs import scrub_text
from dispatcher.numbers import mask
from dispatcher.web.views import moment


@dataclass(frozen=True, slots=True)
class Held:
    """Groups that a person is asked about, as they were read.

    Attributes:
        more: The first group of the next page; None if there is none.
    """

    row: CampaignRow
    groups: Sequence[GroupRow]
    more: int | None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A group of which nobody knows whether it was taken.

    Attributes:
        state: Of the group.
        members: Their numbers, masked.
        sent_at: Time of the send that nobody knows of.
        why: Why nobody knows.
        open: Whether a person may say what became of it.
    """

    campaign: str
    group: int
    state: str
    members: tuple[str, ...]
    sent_at: datetime | None
    why: str
    open: bool


def doubt(row: CampaignRow, group: GroupRow) -> Doubt:
    """A group that a person is asked about."""
    record = group.record
    return Doubt(
        campaign=row.id,
        group=group.group,
        state=record.state.word,
        members=tuple(map(mask, group.sent_to)),
        sent_at=moment(record.gated_at) if record.gated_at else None,
        why=words.explain_code(record.tail) or scrub_text(record.tail),
        open=record.state.word in ("held", "unknown"),
    )
