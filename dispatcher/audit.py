"""The books beside what the provider says it has: `dispatcher verify --provider`.

Pure: it is given groups and messages and says where they differ. It keeps an id and a
hash for each group, never a number, and its sentences name groups by their numbers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, Protocol

from dispatcher.ledger.codec import member_lock
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import GroupState

#: Seconds by which the provider's clock may be off, and more.
SLACK_S: Final = 60.0
#: Groups whose messages are asked for at once: some pages.
PIECE_GROUPS: Final = 400
#: Longest time that can be asked for at once, seconds; the provider's is 14 days.
LONGEST_S: Final = 13 * 86_400.0

#: Nobody knows yet whether they were taken; workers find out.
_OPEN: Final = frozenset({GroupState.SENDING, GroupState.UNKNOWN})
#: Nothing will be sent any more.
_OVER: Final = frozenset(
    {GroupState.ACCEPTED, GroupState.FAILED, GroupState.HELD, GroupState.CANCELLED}
)


class Message(Protocol):
    """A message that the provider has."""

    @property
    def message_id(self) -> str:
        """The provider's id."""

    @property
    def members(self) -> frozenset[int]:
        """Its recipients, as far as they can be read."""

    @property
    def readable(self) -> bool:
        """Whether these are all."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a look at the provider found.

    Attributes:
        messages: Messages that it has of this campaign.
        not_found_yet: Of groups accepted so recently that its search may not show them.
        open: Of groups of which workers are still finding out.
        others: Messages of this sender that are not this campaign's.
        differences: One sentence for each; empty when both agree.
    """

    messages: int
    not_found_yet: int
    open: int
    others: int
    differences: list[str]


class Audit:
    """Compares one campaign.

    Attributes:
        unbooked: Messages to a group that are not in its books: id -> group.

    Give it all groups, then all messages that the provider has of `times`, then what
    the books say by now of those `unbooked`: theirs may have been recorded meanwhile,
    or be another campaign's.

    Args:
        row: The campaign.
        extra: Ids of further messages: group:serial -> id.
        now: Seconds since 1970, by the ledger's clock.
        lag: Seconds until the provider's search surely shows a message.
    """

    def __init__(
        self, row: CampaignRow, extra: Mapping[str, str], now: float, lag: float
    ) -> None:
        self._sender = row.sender
        self._first = (row.started_at or row.created_at) / 1000
        self._now = now
        self._young_from = now - lag
        self._extra = {id_: int(name.partition(":")[0]) for name, id_ in extra.items()}
        self._booked = dict(self._extra)
        self._groups: dict[str, int] = {}
        self._states = bytearray()
        self._gates = array("d")
        self._young: set[int] = set()
        self._waits = False
        self._seen: set[str] = set()
        self.unbooked: dict[str, int] = {}
        self._others: set[str] = set()
        self._differences: list[str] = []

    def expect(self, row: GroupRow) -> None:
        """One group, as the books have it; in order."""
        record = row.record
        self._states.append(record.state)
        self._waits = self._waits or record.state not in _OVER
        # Also of groups that never passed the gate: a ledger that was set back has
        # forgotten what it sent.
        for members in {row.members, row.sent_to} - {()}:
            self._groups[member_lock(self._sender, members)] = row.group
        if record.gated_at:
            self._gates.append(record.gated_at / 1000)
            if record.gated_at / 1000 > self._young_from:
                self._young.add(row.group)
        if record.state == GroupState.ACCEPTED and record.tail:
            self._book(record.tail, row.group)

    def _book(self, id_: str, group: int) -> None:
        other = self._booked.setdefault(id_, group)
        if other != group:
            self._differences.append(f"groups {other} and {group} are both {id_}")

    def times(self, deadline: float) -> list[tuple[float, float]]:
        """When the provider received this campaign's messages, in pieces to ask for.

        Args:
            deadline: Seconds that one send may take.
        """
        gates = sorted(self._gates)
        start, end = min([self._first, *gates[:1]]), self._now
        if gates and not self._waits:
            end = min(end, gates[-1] + deadline)
        cuts = [start - SLACK_S, *gates[PIECE_GROUPS::PIECE_GROUPS], end + SLACK_S]
        return [piece for a, b in pairwise(cuts) for piece in _pieces(a, b)]

    def see(self, message: Message) -> None:
        """One message that the provider has; again is harmless."""
        id_ = message.message_id
        if id_ in self._seen:
            return
        group = self._groups.get(member_lock(self._sender, tuple(message.members)))
        booked = self._booked.get(id_)
        if booked is not None:
            self._seen.add(id_)
            # A further one may have gone to fewer: members opt out between two sends.
            if message.readable and id_ not in self._extra and group != booked:
                self._differences.append(
                    f"group {booked}: {id_} went to other people than the group's"
                )
        elif group is not None:
            self.unbooked[id_] = group
        else:
            self._others.add(id_)

    def miss(self, start: float, end: float) -> None:
        """What was received between these times could not be read whole."""
        self._differences.append(
            f"not all that was received from {_clock(start)} to {_clock(end)} is shown"
        )

    def again(self, row: GroupRow, extra: Iterable[str]) -> None:
        """What the books say by now of the group of a message that was not in them."""
        self._states[row.group] = row.record.state
        for id_ in (row.record.tail, *extra):
            if self.unbooked.get(id_) == row.group:
                del self.unbooked[id_]
                self._booked[id_] = row.group
                self._seen.add(id_)

    def explain(self, id_: str) -> None:
        """This id is in the books of another campaign."""
        if self.unbooked.pop(id_, None) is not None:
            self._others.add(id_)

    def result(self) -> Comparison:
        """How books and provider differ."""
        missing = [(g, id_) for id_, g in self._booked.items() if id_ not in self._seen]
        absent = [
            f"group {group}: the provider does not have {id_}"
            for group, id_ in sorted(missing)
            if group not in self._young
        ]
        unbooked = [
            f"group {group} ({self._state(group).word}): the provider has {id_}, which "
            "is not in the books"
            for group, id_ in sorted((g, id_) for id_, g in self.unbooked.items())
            if self._state(group) not in _OPEN
        ]
        return Comparison(
            messages=len(self._seen) + len(self.unbooked),
            not_found_yet=len(missing) - len(absent),
            open=len(self.unbooked) - len(unbooked),
            others=len(self._others),
            differences=[*self._differences, *absent, *unbooked],
        )

    def _state(self, group: int) -> GroupState:
        return GroupState(self._states[group])


def _pieces(start: float, end: float) -> Iterator[tuple[float, float]]:
    while end - start > LONGEST_S:
        yield start, start + LONGEST_S
        start += LONGEST_S
    yield start, end


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def ids_beside(ledger: Ledger, row: CampaignRow) -> Iterator[str]:
    """All message ids in the books of other campaigns of the same sender."""
    for other in ledger.campaigns(but={row.id}):
        if other.sender == row.sender and other.load:
            yield from _ids(ledger, other)


def _ids(ledger: Ledger, row: CampaignRow) -> Iterator[str]:
    yield from ledger.extra_ids(row).values()
    for group in ledger.groups(row):
        if group.record.state == GroupState.ACCEPTED:
            yield group.record.tail
