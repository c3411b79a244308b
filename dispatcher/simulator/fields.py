"""Checks of the send call's body, each limit as the provider documents it.

Pure: a decoded body in, what is wrong with it out. Never raises, whatever the body.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dispatcher.simulator.answers import FieldError

    Fields = dict[str, Any]

MAX_RECIPIENTS: Final = 10
MAX_TEXT: Final = 2048
MAX_MEDIA: Final = 10
MAX_URL: Final = 4096
MAX_TAG: Final = 1024

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_DECODER = msgspec.json.Decoder()


def read_object(body: bytes) -> Fields | None:
    """The JSON object in a body; None if there is none."""
    try:
        value = _DECODER.decode(body)
    # Bad UTF-8 inside a string and deep nesting do not come as msgspec's own error.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def recipients(fields: Fields) -> list[Any]:
    """What `to` lists; a single number may stand without a list."""
    to = fields.get("to")
    if isinstance(to, str):
        return [to]
    return to if isinstance(to, list) else []


def field_errors(fields: Fields, now: float) -> list[FieldError]:
    """Everything that is wrong with a body; empty if it can be sent."""
    errors = [
        (name, error) for name, check in _CHECKS.items() for error in check(fields)
    ]
    if fields.get("expiration") is not None:
        errors += [("expiration", error) for error in _expiration(fields, now)]
    return errors


def _application(fields: Fields) -> Iterable[str]:
    value = fields.get("applicationId")
    if not isinstance(value, str) or not value:
        return ["'applicationId' is required"]
    return ()


def _not_e164(number: object) -> str:
    return f"'{number}' must be replaced with a valid E164 formatted telephone number"


def _is_e164(number: object) -> bool:
    return isinstance(number, str) and E164.fullmatch(number) is not None


def _from(fields: Fields) -> Iterable[str]:
    number = fields.get("from")
    if _is_e164(number):
        return ()
    if not isinstance(number, str) or not number:
        return ["'from' must contain exactly one telephone number"]
    return [_not_e164(number)]


def _to(fields: Fields) -> Iterable[str]:
    numbers = recipients(fields)
    if not numbers:
        return ["'to' must contain at least one telephone number"]
    if len(numbers) > MAX_RECIPIENTS:
        return [f"'to' must contain at most {MAX_RECIPIENTS} telephone numbers"]
    bad = [_not_e164(number) for number in numbers if not _is_e164(number)]
    if not bad and len(set(numbers)) < len(numbers):
        return ["'to' must not contain a telephone number twice"]
    return bad


def _text(fields: Fields) -> Iterable[str]:
    text = fields.get("text")
    if not text and not fields.get("media"):
        return ["'text' is required unless media is included"]
    if text is None:
        return ()
    return _at_most("text", text, MAX_TEXT)


def _media(fields: Fields) -> Iterable[str]:
    media = fields.get("media")
    if media is None:
        return ()
    if not isinstance(media, list) or not all(map(_is_url, media)):
        return [f"'media' must be a list of URLs of at most {MAX_URL} characters"]
    if len(media) > MAX_MEDIA:
        return [f"'media' must contain at most {MAX_MEDIA} URLs"]
    return ()


def _is_url(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= MAX_URL
        and value.startswith(("http://", "https://"))
    )


def _tag(fields: Fields) -> Iterable[str]:
    tag = fields.get("tag")
    return () if tag is None else _at_most("tag", tag, MAX_TAG)


def _at_most(name: str, value: object, longest: int) -> Iterable[str]:
    if isinstance(value, str) and len(value) <= longest:
        return ()
    return [f"'{name}' must be a string of at most {longest} characters"]


def _priority(fields: Fields) -> Iterable[str]:
    if fields.get("priority") in (None, "default", "high"):
        return ()
    return ["'priority' must be 'default' or 'high'"]


def _expiration(fields: Fields, now: float) -> Iterable[str]:
    try:
        moment = datetime.fromisoformat(fields["expiration"])
    except (TypeError, ValueError):
        return ["'expiration' must be an RFC 3339 time"]
    if moment.tzinfo is None:
        return ["'expiration' must have a UTC offset"]
    return [] if moment.timestamp() > now else ["'expiration' must be in the future"]


_CHECKS: Final[dict[str, Callable[[Fields], Iterable[str]]]] = {
    "applicationId": _application,
    "from": _from,
    "to": _to,
    "text": _text,
    "media": _media,
    "tag": _tag,
    "priority": _priority,
}
