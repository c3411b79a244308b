"""The books: a recount from the raw records, compared with the counters.

It believes nothing that was counted along the way: groups, members, states and
queues are all read again.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap64

from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow, GroupRow, LaneRow
from dispatcher.ledger.states import DeliveryState, GroupState

#: A campaign is read in one transaction up to this many groups, so that the recount
#: is of one instant: also one that ended is on the move, by callbacks and late proof.
#: More would keep Redis busy for too long.
SNAPSHOT_GROUPS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Verification:
    """What a recount found.

    Attributes:
        groups: Groups counted.
        members: Recipients in them.
        counts: Groups by state, as recounted.
        differences: One sentence for each; empty when the books balance.
    """

    id: str
    groups: int
    members: int
    counts: dict[str, int]
    differences: list[str]

    @property
    def balanced(self) -> bool:
        """Whether there is no difference."""
        return not self.differences


_NO_LANE: Final = LaneRow(first=0, end=sys.maxsize, cursor=sys.maxsize, rule="")


class _Recount:
    """Counts groups as they stream by."""

    def __init__(self, lanes: Sequence[LaneRow]) -> None:
        self._lanes = iter(lanes)
        self._lane = next(self._lanes)
        self.states: Counter[GroupState] = Counter()
        self.members = 0
        self.waiting: set[int] = set()
        self.deliveries: Counter[DeliveryState] = Counter()
        self.codes: Counter[int] = Counter()
        self._seen = BitMap64()

    def add(self, row: GroupRow) -> None:
        self.states[row.record.state] += 1
        self.members += len(row.members)
        self._seen.update(row.members)
        for _, delivery in row.expected():
            self.deliveries[delivery.state] += 1
            if delivery.state is DeliveryState.FAILED:
                self.codes[delivery.code] += 1
        state = row.record.state
        while row.group >= self._lane.end:
            # Groups that no lane has are told as groups too many.
            self._lane = next(self._lanes, _NO_LANE)
        handed_back = state == GroupState.PENDING and row.group < self._lane.cursor
        if handed_back or state == GroupState.RETRY:
            self.waiting.add(row.group)

    @property
    def groups(self) -> int:
        return self.states.total()

    @property
    def repeated(self) -> int:
        return self.members - len(self._seen)


def verify(ledger: Ledger, id_: str) -> Verification:
    """Recount one campaign.

    Raises:
        UnknownCampaign: No campaign has that id.
        LedgerError: A chunk is missing or damaged.
    """
    row = ledger.campaign(id_)
    if row.groups > SNAPSHOT_GROUPS:
        groups, due = ledger.groups(row), ledger.due_groups(row)
        extra, lanes = len(ledger.extra_ids(row)), ledger.lanes(row)
    else:
        row, groups, due, extra, lanes = ledger.snapshot(row)
    count = _Recount(lanes)
    for group in groups:
        count.add(group)
    found = list(_differences(row, count, due, extra))
    return Verification(
        id=id_,
        groups=count.groups,
        members=count.members,
        counts={state.word: count.states[state] for state in GroupState},
        differences=found,
    )


def _differences(
    row: CampaignRow, count: _Recount, due: set[int], extra: int
) -> Iterator[str]:
    left_out = sum(row.rejected.values()) + sum(row.dropped.values())
    yield from _differ("recipients", row.recipients, count.members + left_out)
    yield from _differ("groups", row.groups, count.groups)
    for state in GroupState:
        yield from _differ(
            f"groups {state.word}", row.counts[state], count.states[state]
        )
    for delivery in DeliveryState:
        yield from _differ(
            f"recipients {delivery.word}",
            row.delivery.get(delivery, 0),
            count.deliveries[delivery],
        )
    for code in sorted(set(row.codes) | set(count.codes)):
        yield from _differ(
            f"recipients failed with {code}", row.codes.get(code, 0), count.codes[code]
        )
    yield from _differ("messages doubled", row.doubled, extra)
    if count.repeated:
        yield f"{count.repeated} recipients are in more than one group"
    if lost := count.waiting - due:
        yield f"{len(lost)} groups wait to be sent but are in no queue"
    if stale := due - count.waiting:
        yield f"{len(stale)} groups are in the queue but do not wait to be sent"


def _differ(what: str, booked: int, counted: int) -> Iterator[str]:
    if booked != counted:
        yield f"{what}: {booked} in the books, {counted} counted"
