"""Bandwidth's callbacks: a body as received in, events out. Pure, and it never raises.

A body is a JSON array of events, or one event. Whatever is not an event that concerns
us is counted by its reason and left out; one bad event costs the others nothing. No
repr shows a number or a text.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeGuard

import msgspec

from dispatcher.ledger.states import DeliveryState
from dispatcher.tags import Tag, read_tag

#: Characters a message id may have; the provider's have some 30.
ID_LIMIT: Final = 256
#: The largest code that is kept; the provider's have four digits.
CODE_LIMIT: Final = 0xFFFF


class Ignored(StrEnum):
    """Why an event was left out."""

    UNREADABLE = "unreadable"  # not JSON, not an object, or without what it needs
    UNKNOWN_TYPE = "unknown type"
    WRONG_DIRECTION = "wrong direction"
    FOREIGN = "foreign"  # the tag is not one of ours


@dataclass(frozen=True, slots=True)
class Report:
    """How far one of our messages got.

    Attributes:
        message_id: The provider's id.
        state: What the event says.
        code: Why it failed; 0 when it did not, or nobody said.
        to: To whom; empty when the event does not say.
        at: When, ms since the epoch; None if that cannot be read.
    """

    tag: Tag
    message_id: str
    state: DeliveryState
    code: int
    to: tuple[int, ...] = field(repr=False)
    at: float | None


@dataclass(frozen=True, slots=True)
class Inbound:
    """Somebody wrote to one of our numbers.

    Attributes:
        sender: Who.
        to: To which of ours; None if that cannot be read.
        at: When, ms since the epoch; None likewise.
    """

    sender: int = field(repr=False)
    to: int | None = field(repr=False)
    text: str = field(repr=False)
    at: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body holds, in its order, and how many events were left out, and why."""

    events: list[Report | Inbound]
    ignored: Counter[Ignored]


class _Message(msgspec.Struct):
    """Fields of any message. Any type passes: one bad field must not hide the rest."""

    id: Any = None
    tag: Any = None
    to: Any = None
    sender: Any = msgspec.field(name="from", default=None)
    text: Any = None
    direction: Any = None


class _Event(msgspec.Struct):
    message: _Message
    type: Any = None
    time: Any = None
    to: Any = None
    errorCode: Any = None  # noqa: N815 - the provider's spelling


_STATES: Final = {
    "message-sending": DeliveryState.SENDING,
    "message-sent": DeliveryState.SENT,
    "message-delivered": DeliveryState.DELIVERED,
    "message-failed": DeliveryState.FAILED,
}

_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_event: Final = msgspec.json.Decoder(_Event)
_BROKEN: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def read_callback(body: bytes) -> Reading:
    """The events of one request body."""
    reading = Reading([], Counter())
    for raw in _split(body):
        event = _read(raw)
        if isinstance(event, Ignored):
            reading.ignored[event] += 1
        else:
            reading.events.append(event)
    return reading


def told_at(body: bytes) -> float | None:
    """When the first event of a body was, ms since the epoch; None if it cannot say."""
    for raw in _split(body)[:1]:
        with suppress(*_BROKEN):
            return _ms(_event.decode(raw).time)
    return None


def _split(body: bytes) -> list[Any]:
    try:
        return _array.decode(body)
    except _BROKEN:
        # One object, or nothing that can be read: which, `_read` finds out.
        return [body]


def _read(raw: bytes | msgspec.Raw) -> Report | Inbound | Ignored:
    try:
        event = _event.decode(raw)
    except _BROKEN:
        return Ignored.UNREADABLE
    if event.type == "message-received":
        return _inbound(event)
    state = _STATES.get(event.type) if isinstance(event.type, str) else None
    return Ignored.UNKNOWN_TYPE if state is None else _report(event, state)


def _inbound(event: _Event) -> Inbound | Ignored:
    message = event.message
    if message.direction != "in":
        return Ignored.WRONG_DIRECTION
    sender = _number(message.sender)
    if sender is None:
        return Ignored.UNREADABLE
    # Media alone say nothing.
    text = message.text if isinstance(message.text, str) else ""
    return Inbound(sender, _number(event.to), text, _ms(event.time))


def _report(event: _Event, state: DeliveryState) -> Report | Ignored:
    message = event.message
    if message.direction not in ("out", None):
        return Ignored.WRONG_DIRECTION
    tag = read_tag(message.tag)
    if tag is None:
        return Ignored.FOREIGN
    if not is_message_id(message.id):
        return Ignored.UNREADABLE
    failed = state is DeliveryState.FAILED
    code = code_in(event.errorCode) if failed else 0
    return Report(tag, message.id, state, code, _recipients(event), _ms(event.time))


def _recipients(event: _Event) -> tuple[int, ...]:
    """The event's own `to`: one number, perhaps in a list.

    The message's list says who is in the group; it is only of use when that is one.
    """
    to = event.to
    if to is None and isinstance(event.message.to, list) and len(event.message.to) == 1:
        to = event.message.to
    found = map(_number, to if isinstance(to, list) else [to])
    return tuple(number for number in found if number is not None)


_E164: Final = re.compile(r"\+?([1-9][0-9]{6,14})", re.ASCII)


def _number(value: object) -> int | None:
    found = _E164.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) if found else None


def code_in(value: object) -> int:
    """An error code, as a number or as digits; 0 where there is none to keep."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= len("65535"):
        value = int(value)
    known = isinstance(value, int) and 0 <= value <= CODE_LIMIT
    return int(value) if known else 0  # type: ignore[call-overload]


def _ms(value: object) -> float | None:
    moment = read_time(value)
    return None if moment is None else moment * 1000


def read_time(value: object) -> float | None:
    """A time as the provider writes it, seconds since the epoch; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def is_message_id(value: object) -> TypeGuard[str]:
    """Whether it is a message id that can be kept."""
    return isinstance(value, str) and 0 < len(value) <= ID_LIMIT and value.isprintable()
