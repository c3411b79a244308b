"""Events sorted into messages: all that a batch of callbacks says about each of ours.

Whose an event is follows from its tag alone: the load names the campaign, the group
its members. What is nobody's of ours is counted. It changes nothing in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from dispatcher.callbacks import Report
from dispatcher.errors import LedgerError, LedgerUnreachable
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Settlement, Verdict
from dispatcher.ledger.codec import Members, keep, member_lock
from dispatcher.ledger.deliveries import Parcel
from dispatcher.ledger.delivery import Delivery, Slots
from dispatcher.tags import Tag
from workers.shelf import Shelf

#: Chunks kept: callbacks of one campaign come from many groups at once (some 25 MB).
_KEPT_CHUNKS: Final = 256
#: Loads whose campaign is remembered.
_KEPT_LOADS: Final = 4096


@dataclass(slots=True, eq=False)
class Message:
    """One message of ours, and what a batch of events says about it.

    Attributes:
        id: The campaign's id.
        bodies: Where it was spoken of: numbers of the batch's bodies.
    """

    id: str
    tag: Tag
    message_id: str
    members: Members = field(repr=False)
    slots: Slots = field(repr=False)
    bodies: set[int] = field(default_factory=set)

    def add(self, report: Report) -> int:
        """Note what an event says; how many of its recipients are strangers."""
        strangers = 0
        for number in report.to:
            if number in self.members:
                place = self.members.index(number)
                self.slots.put(place, Delivery(report.state, report.code))
            else:
                strangers += 1
        return strangers

    def parcel(self) -> Parcel:
        """For `deliver`."""
        slots = self.slots.pack()
        return Parcel(self.id, self.tag.load, self.tag.group, self.message_id, slots)

    def proof(self, sender: str, dropped: int) -> Settlement:
        """That the provider took it, under its serial.

        Args:
            sender: The campaign's.
            dropped: The mask of those left out under that serial.
        """
        lock = member_lock(sender, keep(self.members, dropped))
        return Settlement(
            *(self.id, self.tag.group, self.tag.serial, Verdict.ACCEPTED),
            lock=lock,
            detail=self.message_id,
        )


class Sorter:
    """Finds out whose events are.

    Attributes:
        shelf: Members and campaigns, as read.
    """

    def __init__(self, ledger: AsyncLedger) -> None:
        self.shelf = Shelf(ledger, _KEPT_CHUNKS)
        self._ledger = ledger
        self._ids: dict[str, str] = {}

    async def sort(
        self, reports: Iterable[tuple[int, Report]], counts: Counter[str]
    ) -> list[Message]:
        """The messages that these events are about.

        Args:
            reports: Each with the number of its body.
            counts: Counts those that concern nobody here.

        Raises:
            LedgerUnreachable: It cannot be found out now.
        """
        reports = list(reports)
        await self._learn({report.tag.load for _, report in reports})
        messages: dict[tuple[Tag, str], Message | None] = {}
        for body, report in reports:
            name = (report.tag, report.message_id)
            if name not in messages:
                messages[name] = await self._open(report)
            message = messages[name]
            if message is None:
                counts["unknown"] += 1
            else:
                message.bodies.add(body)
                counts["strangers"] += message.add(report)
        return [message for message in messages.values() if message is not None]

    async def _learn(self, loads: set[str]) -> None:
        """Which campaigns these loads belong to."""
        if len(self._ids) > _KEPT_LOADS:
            self._ids.clear()
        if new := list(loads - self._ids.keys()):
            found = zip(new, await self._ledger.ids_of(new), strict=True)
            self._ids |= {load: id_ for load, id_ in found if id_ is not None}

    async def _open(self, report: Report) -> Message | None:
        tag = report.tag
        id_ = self._ids.get(tag.load)
        if id_ is None:
            return None
        try:
            members = await self.shelf.members(tag.load, tag.group)
        except LedgerUnreachable:
            raise
        except (LedgerError, IndexError):
            # A group that is not there, whatever the tag says.
            return None
        return Message(id_, tag, report.message_id, members, Slots(len(members)))
