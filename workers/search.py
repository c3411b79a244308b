"""The provider's message search: what it is asked, what its answers say. No I/O.

Nowhere is it documented which rows a group message makes, so one row for each
recipient is read as well as one row for the message, and no field is relied on. What
cannot be read is told apart from what is not there: only the latter proves anything.
It never raises, and no repr shows a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from dispatcher.callbacks import code_in, is_message_id
from dispatcher.numbers import e164
from workers.outcomes import Kind, Outcome

#: Rows of one page; the provider's own default.
PAGE_ROWS: Final = 100
#: Pages read of one answer. One group has ten rows at most, so that further pages are
#: about other messages to the same people, seconds apart: nobody sends so many.
MAX_PAGES: Final = 5
#: The most numbers that can be asked for at once.
MAX_NUMBERS: Final = 10

#: Seconds to leave the search alone. After a 429 without Retry-After: the provider
#: counts over five minutes.
THROTTLED_S: Final = 30.0
#: When the account may not search: a person must change that first.
FORBIDDEN_S: Final = 60.0
#: When the provider cannot be reached or is out of order.
OUTAGE_S: Final = 5.0

#: Five to fifteen digits, as E.164 has them.
_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{4,14})")
_NUMBERS: Final = (10**4, 10**15)


# -- the question --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Query:
    """Which messages are asked for.

    Attributes:
        sender: Own number, E.164.
        members: The recipients; of more than ten only ten are asked for. None: all
            messages of the sender.
        start: Earliest time at which the provider received it, seconds since 1970.
        end: Latest.
        rows: Of one page.
    """

    sender: str = field(repr=False)
    members: frozenset[int] | None = field(repr=False)
    start: float
    end: float
    rows: int = PAGE_ROWS

    def parameters(self) -> dict[str, str]:
        """The parameters of the call, not yet quoted."""
        asked = {
            "sourceTn": self.sender,
            "messageDirection": "OUTBOUND",
            "fromDateTime": _written(self.start),
            "toDateTime": _written(self.end),
            "limit": str(self.rows),
        }
        if self.members is not None:
            numbers = sorted(self.members)[:MAX_NUMBERS]
            asked["destinationTn"] = ",".join(map(e164, numbers))
        return asked


def _written(seconds: float) -> str:
    time = datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- the answer ----------------------------------------------------------------


#: Words that tell of a failure; the last of a receipt that never came.
FAILURES: Final = frozenset({"FAILED", "UNDELIVERED", "DLR_EXPIRED"})


class Status(NamedTuple):
    """How far a message got to one recipient, as a row says: its word, and the code."""

    word: str
    code: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One message that the provider received, as far as its rows can be read.

    Attributes:
        message_id: The provider's.
        members: The recipients that its rows name.
        recipients: How many it has, as the rows say; None if they do not, or count
            their own one each.
        received_at: When it was received, seconds since 1970; None if not said.
        statuses: How far it got, by recipient; known to us or not. Nothing of those who
            share a row that tells of a failure: it does not say whose.
        readable: The rows name all their recipients and agree with each other.
    """

    message_id: str
    members: frozenset[int] = field(repr=False)
    recipients: int | None = None
    received_at: float | None = None
    statuses: Mapping[int, Status] = field(default_factory=dict, repr=False)
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """The search was made.

    Attributes:
        candidates: The messages found.
        complete: No page was left out.
        unreadable: Rows that tell of a message and not of which.
        pages: Requests that it took.
    """

    candidates: tuple[Candidate, ...] = ()
    complete: bool = True
    unreadable: int = 0
    pages: int = 1


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too many searches; the next one may be made in `rest_s` seconds."""

    rest_s: float

    @property
    def code(self) -> str:
        """Why there was none."""
        return "429"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """There was no search.

    Attributes:
        code: Why: status and the provider's word, or a word of ours.
        rest_s: Seconds in which no other search would fare better.
    """

    code: str
    rest_s: float = OUTAGE_S


NotMade = Throttled | Unavailable
Searched = Found | Throttled | Unavailable


def not_made(outcome: Outcome) -> NotMade:
    """What a call that was not answered with a page means for the search."""
    match outcome.kind:
        case Kind.THROTTLED:
            asked = outcome.retry_after
            return Throttled(THROTTLED_S if asked is None else max(1.0, asked))
        case Kind.REFUSED:
            # It is about this query only.
            return Unavailable(outcome.code, 0.0)
        case Kind.STOPPED:
            return Unavailable(outcome.code, FORBIDDEN_S)
        case _:
            return Unavailable(outcome.code)


#: A page that is none: a proxy's, or of a layout that nobody knows.
BAD_PAGE: Final = Unavailable("200 bad-answer")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer.

    Attributes:
        rows: As they came.
        next: Token of the page that follows.
        silent: It counts messages and shows none.
    """

    rows: list[Any] = field(repr=False)
    next: str | None = None
    silent: bool = False


def read_page(content: bytes) -> Page | None:
    """Read a body; None when it is no page at all."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    rows = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        return None
    total = body.get("totalCount")
    silent = not rows and isinstance(total, int) and total > 0
    return Page(rows, _next(body.get("pageInfo")), silent)


def _next(info: object) -> str | None:
    token = info.get("nextPageToken") if isinstance(info, dict) else None
    return token if isinstance(token, str) and token else None


# -- the rows ------------------------------------------------------------------


@dataclass(slots=True)
class _Message:
    """What the rows of one message have said so far."""

    members: set[int] = field(default_factory=set, repr=False)
    rows: int = 0
    counts: set[int] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    statuses: dict[int, Status] = field(default_factory=dict, repr=False)
    readable: bool = True

    def add(self, row: dict[str, Any]) -> None:
        self.rows += 1
        numbers = list(_numbers(_destination(row)))
        self.members.update(number for number in numbers if number is not None)
        if None in numbers or not numbers:
            self.readable = False
        self.counts.update(_count(row.get("recipientCount")))
        self.times.extend(_time(row.get("receiveTime")))
        self._note(row, [number for number in numbers if number is not None])

    def _note(self, row: dict[str, Any], numbers: list[int]) -> None:
        word, code = row.get("messageStatus"), code_in(row.get("errorCode"))
        if not isinstance(word, str):
            return
        if len(numbers) == 1 or not (code or word in FAILURES):
            self.statuses |= dict.fromkeys(numbers, Status(word, code))

    def candidate(self, message_id: str) -> Candidate:
        agreed = len(self.counts) <= 1
        said = self.counts if agreed and not self._counts_itself() else ()
        return Candidate(
            message_id,
            frozenset(self.members),
            next(iter(said), None),
            min(self.times, default=None),
            self.statuses,
            self.readable and agreed,
        )

    def _counts_itself(self) -> bool:
        """Several rows, one for each recipient, that count one: it is their own."""
        return self.counts == {1} and self.rows >= len(self.members) > 1


def read_pages(pages: Sequence[Page], sender: str) -> Found:
    """Put the rows of all pages together, message by message.

    Args:
        pages: In order, one at least.
        sender: Whose messages were asked for; rows of others do not count.
    """
    messages: dict[str, _Message] = {}
    unreadable = 0
    for row in chain.from_iterable(page.rows for page in pages):
        if not isinstance(row, dict):
            unreadable += 1
        elif not _is_foreign(row, sender):
            message_id = row.get("messageId")
            if is_message_id(message_id):
                messages.setdefault(message_id, _Message()).add(row)
            else:
                unreadable += 1
    return Found(
        tuple(message.candidate(id_) for id_, message in messages.items()),
        complete=pages[-1].next is None and not pages[0].silent,
        unreadable=unreadable,
        pages=len(pages),
    )


def _is_foreign(row: dict[str, Any], sender: str) -> bool:
    """Surely not one of those asked for."""
    source, ours = _number(row.get("sourceTn")), _number(sender)
    other = source is not None and ours is not None and source != ours
    return other or row.get("messageDirection") == "INBOUND"


def _destination(row: dict[str, Any]) -> object:
    given = row.get("destinationTn")
    return row.get("to") if given is None else given


def _numbers(value: object) -> Iterator[int | None]:
    """The numbers of a string, a comma list or a list; None for what is no number."""
    if isinstance(value, list):
        for item in value:
            yield _number(item)
    elif isinstance(value, str):
        yield from map(_number, value.split(","))
    elif value is not None:
        yield _number(value)


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if _NUMBERS[0] <= value < _NUMBERS[1] else None
    match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(match[1]) if match else None


def _count(value: object) -> Iterator[int]:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,4}", value):
        yield int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


def _time(value: object) -> Iterator[float]:
    if not isinstance(value, str):
        return
    try:
        time = datetime.fromisoformat(value)
        yield (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return
