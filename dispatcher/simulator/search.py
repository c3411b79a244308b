"""Answers the message search: from an archive and a query to a page of rows.

The real layout of a group's rows is undocumented: one row for each recipient is our
reading, one row with the list of recipients the other possible one.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from dispatcher.simulator.answers import instant
from dispatcher.simulator.archive import Archive, Message, Span
from dispatcher.simulator.query import Query, write_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    #: A message and those of its recipients that the query asks for, by place.
    Match = tuple[Message, list[tuple[int, str]]]
    #: Where a row stands (message, recipient), and the row.
    Placed = tuple[tuple[int, int], dict[str, Any]]

#: The provider counts no further when asked not to; the simulator never does.
MAX_COUNT: Final = 10_000

#: Deliveries are not simulated yet: every message stays in the first status.
STATUS: Final = "RECEIVED"
DIRECTION: Final = "OUTBOUND"


class Layout(StrEnum):
    """Which rows a group message makes."""

    RECIPIENT = "recipient"
    MESSAGE = "message"


def search(
    archive: Archive, account: str, query: Query, layout: Layout
) -> dict[str, Any]:
    """The body of a search's answer."""
    rows = list(islice(_rows(archive, account, query, layout), query.limit + 1))
    page_info = {}
    if len(rows) > query.limit:
        page_info["nextPageToken"] = write_token(*rows.pop()[0])
    return {
        "totalCount": _count(archive, account, query, layout),
        "pageInfo": page_info,
        "messages": [row for _, row in rows],
    }


def _rows(
    archive: Archive, account: str, query: Query, layout: Layout
) -> Iterator[Placed]:
    """The rows from the cursor on."""
    seq, first = query.cursor or (None, 0)
    for message, hits in _matches(archive, account, query, seq):
        if layout is Layout.MESSAGE:
            yield (message.seq, 0), _row(message, [number for _, number in hits])
            continue
        for place, number in hits:
            if message.seq != seq or place >= first:
                yield (message.seq, place), _row(message, number)


def _count(archive: Archive, account: str, query: Query, layout: Layout) -> int:
    """Rows on all pages, up to a bound."""
    count = 0
    for _, hits in _matches(archive, account, query, None):
        count += 1 if layout is Layout.MESSAGE else len(hits)
        if count >= MAX_COUNT:
            return MAX_COUNT
    return count


def _matches(
    archive: Archive, account: str, query: Query, cursor: int | None
) -> Iterator[Match]:
    if not _possible(query):
        return
    for message in _candidates(archive, account, query, cursor):
        if query.type in (None, message.kind):
            numbers = enumerate(message.recipients)
            hits = [hit for hit in numbers if query.destinations.accepts(hit[1])]
            if hits:
                yield message, hits


def _possible(query: Query) -> bool:
    return query.status in (None, STATUS) and query.direction in (None, DIRECTION)


def _candidates(
    archive: Archive, account: str, query: Query, cursor: int | None
) -> Iterator[Message]:
    if query.message_id is not None:
        return _by_id(archive, account, query, query.message_id)
    senders = filter(query.sources.accepts, archive.senders(account))
    span = Span(
        query.start, query.end, query.newest_first, query.destinations.exact, cursor
    )
    return archive.select(account, senders, span)


def _by_id(
    archive: Archive, account: str, query: Query, message_id: str
) -> Iterator[Message]:
    message = archive.get(message_id)
    if (
        message is not None
        and message.account == account
        and query.start <= message.time <= query.end
        and query.sources.accepts(message.sender)
    ):
        yield message


def _row(message: Message, destination: str | list[str]) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "accountId": message.account,
        "sourceTn": message.sender,
        "destinationTn": destination,
        "messageStatus": STATUS,
        "messageDirection": DIRECTION,
        "messageType": message.kind,
        "segmentCount": 1,
        "receiveTime": instant(message.time),
        "messageLength": message.length,
        "attachmentCount": message.attachments,
        "recipientCount": len(message.recipients),
    }
