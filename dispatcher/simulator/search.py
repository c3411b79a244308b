"""Answers the message search: from an archive and a query to a page of rows.

The real layout of a group's rows is undocumented: one row for each recipient is our
reading, one row with the list of recipients the other possible one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dispatcher.simulator.answers import instant
from dispatcher.simulator.archive import Archive, Message, Span
from dispatcher.simulator.fates import Standing, standing_of
from dispatcher.simulator.query import Query, write_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    #: A message and those of its recipients that the query asks for.
    Match = tuple[Message, list["Hit"]]
    #: Where a row stands (message, recipient), and the row.
    Placed = tuple[tuple[int, int], dict[str, Any]]

#: The provider counts no further when asked not to; the simulator never does.
MAX_COUNT: Final = 10_000

DIRECTION: Final = "OUTBOUND"


class Hit(NamedTuple):
    """A recipient that is asked for: its place, number, and how it stands there."""

    place: int
    number: str
    standing: Standing


class Layout(StrEnum):
    """Which rows a group message makes."""

    RECIPIENT = "recipient"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Search:
    """One search, made at one time.

    Attributes:
        archive: What is searched.
        account: Whose messages.
        query: What is asked for.
        layout: The rows a group makes.
        now: Epoch seconds: what a message has come to by then is told.
    """

    archive: Archive
    account: str
    query: Query
    layout: Layout
    now: float

    def answer(self) -> dict[str, Any]:
        """The body of the answer."""
        limit = self.query.limit
        rows = list(islice(self._rows(), limit + 1))
        page_info = {}
        if len(rows) > limit:
            page_info["nextPageToken"] = write_token(*rows.pop()[0])
        return {
            "totalCount": self._count(),
            "pageInfo": page_info,
            "messages": [row for _, row in rows],
        }

    def _rows(self) -> Iterator[Placed]:
        """The rows from the cursor on."""
        seq, first = self.query.cursor or (None, 0)
        for message, hits in self._matches(seq):
            if self.layout is Layout.MESSAGE:
                numbers = [hit.number for hit in hits]
                worst = max((hit.standing for hit in hits), key=_gravity)
                yield (message.seq, 0), _row(message, numbers, worst)
                continue
            for hit in hits:
                if message.seq != seq or hit.place >= first:
                    row = _row(message, hit.number, hit.standing)
                    yield (message.seq, hit.place), row

    def _count(self) -> int:
        """Rows on all pages, up to a bound."""
        count = 0
        for _, hits in self._matches(None):
            count += 1 if self.layout is Layout.MESSAGE else len(hits)
            if count >= MAX_COUNT:
                return MAX_COUNT
        return count

    def _matches(self, cursor: int | None) -> Iterator[Match]:
        if self.query.direction not in (None, DIRECTION):
            return
        for message in self._candidates(cursor):
            if self.query.type in (None, message.kind):
                hits = [hit for hit in self._hits(message) if self._wants(hit)]
                if hits:
                    yield message, hits

    def _hits(self, message: Message) -> Iterator[Hit]:
        known = zip(message.recipients, message.ends, strict=True)
        for place, (number, code) in enumerate(known):
            standing = standing_of(code, message.time, message.final_at, self.now)
            yield Hit(place, number, standing)

    def _wants(self, hit: Hit) -> bool:
        if self.query.status not in (None, hit.standing.status):
            return False
        return self.query.destinations.accepts(hit.number)

    def _candidates(self, cursor: int | None) -> Iterator[Message]:
        query = self.query
        if query.message_id is not None:
            return self._by_id(query.message_id)
        senders = filter(query.sources.accepts, self.archive.senders(self.account))
        span = Span(
            query.start, query.end, query.newest_first, query.destinations.exact, cursor
        )
        return self.archive.select(self.account, senders, span)

    def _by_id(self, message_id: str) -> Iterator[Message]:
        message = self.archive.get(message_id)
        if (
            message is not None
            and message.account == self.account
            and self.query.start <= message.time <= self.query.end
            and self.query.sources.accepts(message.sender)
        ):
            yield message


def _gravity(standing: Standing) -> int:
    """What is said of a message as a whole: a failure, else what is not over yet."""
    return 2 * (standing.code is not None) + (standing.status != "DELIVERED")


def _row(
    message: Message, destination: str | list[str], standing: Standing
) -> dict[str, Any]:
    row = {
        "messageId": message.id,
        "accountId": message.account,
        "sourceTn": message.sender,
        "destinationTn": destination,
        "messageStatus": standing.status,
        "messageDirection": DIRECTION,
        "messageType": message.kind,
        "segmentCount": 1,
        "receiveTime": instant(message.time),
        "messageLength": message.length,
        "attachmentCount": message.attachments,
        "recipientCount": len(message.recipients),
    }
    if standing.code is not None:
        row["errorCode"] = standing.code
    return row
