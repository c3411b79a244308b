"""Reads the query of the message search.

Checks what the provider documents. A filter that it has and the simulator has not is
refused: leaving it out in silence would answer another question.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dispatcher.simulator.answers import FieldError

T = TypeVar("T")

#: The provider keeps and searches this much, in seconds.
WINDOW: Final = 14 * 86400.0
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
MAX_NUMBERS: Final = 10

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PREFIX: Final = re.compile(r"\+?[0-9]{5,15}")
#: A complete North American number. Elsewhere a complete number looks like a prefix.
_COMPLETE: Final = re.compile(r"\+?1[0-9]{10}")
_CURSOR: Final = re.compile(r"([0-9]{1,15})\.([0-9]{1,3})")

_STATUSES: Final = frozenset(
    {
        "RECEIVED",
        "QUEUED",
        "SENDING",
        "SENT",
        "DELIVERED",
        "FAILED",
        "ACCEPTED",
        "UNDELIVERED",
    }
)
_DIRECTIONS: Final = frozenset({"INBOUND", "OUTBOUND"})
_TYPES: Final = frozenset({"sms", "mms", "rcs"})


class Numbers(msgspec.Struct, frozen=True):
    """A filter on numbers: some complete ones, or all that begin alike."""

    exact: frozenset[str] | None = None
    prefix: str = ""

    def accepts(self, number: str) -> bool:
        """Whether the number passes."""
        if self.exact is not None:
            return number in self.exact
        return number.startswith(self.prefix)


EVERY_NUMBER: Final = Numbers()


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What a search asks for; the attributes are the provider's parameters.

    Attributes:
        start: Earliest receive time, epoch seconds.
        end: Latest receive time, epoch seconds.
        cursor: Message (its `seq`) and recipient of it where the page begins.
    """

    sources: Numbers
    destinations: Numbers
    message_id: str | None
    status: str | None
    direction: str | None
    type: str | None
    start: float
    end: float
    limit: int
    newest_first: bool
    cursor: tuple[int, int] | None


class BadQuery(Exception):
    """The query cannot be answered.

    Attributes:
        errors: What is wrong, by parameter.
    """

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(text for _, text in errors))
        self.errors = errors


def read_query(parameters: Mapping[str, str], now: float) -> Query:
    """Read the parameters of a search made at `now` (epoch seconds).

    Raises:
        BadQuery: One or more parameters cannot be used, or there is none.
    """
    reader = _Reader(parameters)
    query = _query(reader, now)
    if query.end - query.start > WINDOW:
        reader.errors.append(("fromDateTime", "the window must not exceed 14 days"))
    if reader.errors:
        raise BadQuery(reader.errors)
    return query


def _query(reader: _Reader, now: float) -> Query:
    reader.expect_known()
    end = reader.read("toDateTime", _moment, now)
    return Query(
        sources=reader.read("sourceTn", _numbers, EVERY_NUMBER),
        destinations=reader.read("destinationTn", _numbers, EVERY_NUMBER),
        message_id=reader.read("messageId", str, None),
        status=reader.read("messageStatus", _one_of(_STATUSES), None),
        direction=reader.read("messageDirection", _one_of(_DIRECTIONS), None),
        type=reader.read("messageType", _one_of(_TYPES), None),
        start=reader.read("fromDateTime", _moment, end - WINDOW),
        end=end,
        limit=reader.read("limit", _limit, DEFAULT_LIMIT),
        newest_first=reader.read("sort", _newest_first, True),
        cursor=reader.read("pageToken", read_token, None),
    )


_KNOWN: Final = frozenset(
    {
        "sourceTn",
        "destinationTn",
        "messageId",
        "messageStatus",
        "messageDirection",
        "messageType",
        "fromDateTime",
        "toDateTime",
        "limit",
        "sort",
        "pageToken",
        "limitTotalCount",
    }
)


class _Reader:
    """Takes parameters one by one and collects what is wrong with them."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self.errors: list[FieldError] = []

    def expect_known(self) -> None:
        if not self._parameters:
            self.errors.append(("query", "at least one parameter is required"))
        unknown = sorted(self._parameters.keys() - _KNOWN)
        self.errors += [(name, "this parameter is not simulated") for name in unknown]

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self._parameters.get(name)
        if text is None:
            return default
        try:
            return parse(text)
        except (ValueError, OverflowError) as error:
            self.errors.append((name, str(error)))
            return default


def _numbers(text: str) -> Numbers:
    numbers = text.split(",")
    if len(numbers) > MAX_NUMBERS:
        raise ValueError(f"at most {MAX_NUMBERS} numbers can be given")
    if len(numbers) == 1:
        return _one_number(text)
    if not all(map(_NUMBER.fullmatch, numbers)):
        raise ValueError("every number of a list must be in E164 format")
    return Numbers(exact=frozenset(numbers))


def _one_number(text: str) -> Numbers:
    if not _PREFIX.fullmatch(text):
        raise ValueError("must be a number in E164 format or its first 5 digits")
    number = "+" + text.removeprefix("+")
    if _COMPLETE.fullmatch(number):
        return Numbers(exact=frozenset({number}))
    return Numbers(prefix=number)


def _one_of(values: frozenset[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError("must be one of " + ", ".join(sorted(values)))
        return text

    return parse


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an ISO 8601 time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def _newest_first(text: str) -> bool:
    field, _, direction = text.partition(":")
    if field != "receiveTime" or direction not in {"asc", "desc"}:
        raise ValueError("only receiveTime:asc and receiveTime:desc are simulated")
    return direction == "desc"


def read_token(text: str) -> tuple[int, int]:
    """Read a page token: a message and one of its recipients.

    Raises:
        ValueError: It is not one that `write_token` made.
    """
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ValueError("is not a page token")
    return int(found[1]), int(found[2])


def write_token(seq: int, recipient: int) -> str:
    """The token of the page that begins with this recipient of this message."""
    return f"{seq}.{recipient}"
