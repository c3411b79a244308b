"""The edge: what an answer or an exception of a send call means.

Answers and foreign exceptions become outcomes here and nowhere else. Whatever is
not listed is UNKNOWN, which is never sent again blindly. It never raises.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import msgspec

from dispatcher.callbacks import is_message_id, read_time
from workers.connection import NotWritten
from workers.outcomes import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Characters of an error's description that are kept: enough to act on, little
#: enough to store with every failed group.
DESCRIPTION_LIMIT: Final = 300
#: Seconds: a longer Retry-After is cut to this, so that a slip of the provider
#: cannot stop an account for days.
RETRY_AFTER_LIMIT: Final = 3600.0

# -- answers -------------------------------------------------------------------

#: These speak of account, address or program, not of this message: the next group
#: would get the same answer, so the campaign stops and no group pays for it.
_STOPPING: Final = frozenset({401, 402, 403, 404, 405, 406, 407, 415})

#: No digits: whatever a provider may put there, it is not a phone number.
_TYPE: Final = re.compile(r"[A-Za-z._-]{1,64}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


class _Body(msgspec.Struct):
    """Fields of any answer. Any type passes: one bad field must not hide the id."""

    id: Any = None
    time: Any = None
    type: Any = None
    description: Any = None
    fieldErrors: Any = None  # noqa: N815 - the provider's spelling

    @property
    def is_own(self) -> bool:
        """The provider's own error, not a proxy's: proof that nothing was sent."""
        return isinstance(self.type, str) and isinstance(self.description, str)


_decoder: Final = msgspec.json.Decoder(_Body)


def from_answer(status: int, headers: Mapping[str, str], content: bytes) -> Outcome:
    """Judge a complete answer to a send call.

    A 4xx or 5xx of the call itself means "not billed and not sent" (Bandwidth's
    "Messaging Errors" page). A proxy's 5xx proves nothing, so a 5xx counts only with
    the provider's own body, and so does 408, which proxies send too. A 202 without a
    readable id was taken all the same.

    Args:
        status: The HTTP status.
        headers: The headers, looked up in lower case.
        content: The body, whatever it holds.
    """
    body = _read(content)
    kind = _kind(status, body)
    if kind is Kind.ACCEPTED:
        return Outcome(kind, str(status), _message_id(body), read_time(body.time))
    return Outcome(
        kind,
        _code(status, body),
        retry_after=_retry_after(headers) if kind is Kind.THROTTLED else None,
        description=_description(body),
    )


def _kind(status: int, body: _Body) -> Kind:
    if status == HTTPStatus.ACCEPTED:
        return Kind.ACCEPTED
    match status // 100:
        case 2:
            return Kind.ACCEPTED if _message_id(body) else Kind.UNKNOWN
        case 4 if status != HTTPStatus.REQUEST_TIMEOUT:
            return _kind_of_refusal(status)
        case 4 | 5:
            return Kind.SERVER_ERROR if body.is_own else Kind.UNKNOWN
        case _:
            return Kind.UNKNOWN


def _kind_of_refusal(status: int) -> Kind:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Kind.THROTTLED
    return Kind.STOPPED if status in _STOPPING else Kind.REFUSED


def _read(content: bytes) -> _Body:
    try:
        return _decoder.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Body()


def _message_id(body: _Body) -> str | None:
    return body.id if is_message_id(body.id) else None


def _code(status: int, body: _Body) -> str:
    own = body.type
    if isinstance(own, str) and _TYPE.fullmatch(own):
        return f"{status} {own}"
    return str(status)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Whole seconds: the only form in the provider's OpenAPI file."""
    value = headers.get("retry-after", "").strip()
    if not _SECONDS.fullmatch(value):
        return None
    return min(float(value), RETRY_AFTER_LIMIT)


def _description(body: _Body) -> str | None:
    parts = [body.description, *_field_errors(body.fieldErrors)]
    text = "; ".join(part for part in parts if isinstance(part, str) and part)
    # It is shown on terminals: no control characters.
    clean = "".join(c if c.isprintable() else " " for c in text[:DESCRIPTION_LIMIT])
    return clean or None


def _field_errors(errors: object) -> list[str]:
    items = errors if isinstance(errors, list) else []
    return [
        f"'{item.get('fieldName')}' {item.get('description')}"
        for item in items
        if isinstance(item, dict)
    ]


# -- exceptions ----------------------------------------------------------------


class _Meaning(NamedTuple):
    kind: Kind
    code: str


_UNKNOWN: Final = _Meaning(Kind.UNKNOWN, "internal-error")
_LOST: Final = _Meaning(Kind.UNKNOWN, "connection-lost")
_LATE: Final = _Meaning(Kind.UNKNOWN, "timeout")
_GARBLED: Final = _Meaning(Kind.UNKNOWN, "bad-answer")

#: What each foreign exception means. "Nothing has left" holds only because our own
#: transport raises those four before the write and never after it; everything that
#: it does not raise at all is UNKNOWN. The nearest class counts.
ERRORS: Final[dict[type[Exception], _Meaning]] = {
    NotWritten: _Meaning(Kind.NOT_WRITTEN, "not-written"),
    httpx.PoolTimeout: _Meaning(Kind.NOT_WRITTEN, "no-free-connection"),
    httpx.ConnectError: _Meaning(Kind.UNREACHABLE, "connect-failed"),
    httpx.ConnectTimeout: _Meaning(Kind.UNREACHABLE, "connect-timeout"),
    httpx.ReadTimeout: _LATE,
    httpx.WriteTimeout: _LATE,
    httpx.TimeoutException: _LATE,
    httpx.ReadError: _LOST,
    httpx.WriteError: _LOST,
    httpx.CloseError: _LOST,
    httpx.NetworkError: _LOST,
    httpx.RemoteProtocolError: _GARBLED,
    httpx.LocalProtocolError: _GARBLED,
    httpx.ProtocolError: _GARBLED,
    httpx.DecodingError: _GARBLED,
    httpx.TooManyRedirects: _GARBLED,
    httpx.HTTPStatusError: _GARBLED,
    httpx.ProxyError: _UNKNOWN,
    httpx.UnsupportedProtocol: _UNKNOWN,
    httpx.TransportError: _UNKNOWN,
    httpx.RequestError: _UNKNOWN,
    httpx.HTTPError: _UNKNOWN,
    # As the operating system and TLS raise them (ssl.SSLError is an OSError), should
    # one ever come through unmapped: it may have come after the write.
    TimeoutError: _LATE,
    OSError: _LOST,
    Exception: _UNKNOWN,
}


def from_error(error: Exception, *, permitted: bool) -> Outcome:
    """Judge an exception of the transport.

    Args:
        error: What was raised.
        permitted: The permit to write had been given. From then on only `NotWritten`
            proves that nothing has left, whatever else a transport may claim.
    """
    kind, code = next(ERRORS[cls] for cls in type(error).__mro__ if cls in ERRORS)
    if permitted and not isinstance(error, NotWritten):
        kind = Kind.UNKNOWN
    if isinstance(error, httpx.ConnectError) and error.__cause__:
        # Refused, no such name and a bad certificate want different repairs.
        code = f"{code}: {type(error.__cause__).__name__}"
    return Outcome(kind, code)
