"""The callback receiver: takes a body, stores it, says so. The hot path of `serve`.

Bandwidth repeats a callback for a day until it gets a 2xx, so that is answered only to
what is on the disk. What a body means is decided later, by whoever empties the inbox;
here it only has to be JSON of the right shape. Nothing of a body is ever logged.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import structlog
from starlette.types import Message, Receive, Scope, Send

from dispatcher.doors import Pass
from dispatcher.errors import InboxFull, LedgerError, LedgerUnreachable
from dispatcher.web import basic
from dispatcher.web.basic import Basic
from dispatcher.web.sparing import Sparing

log = structlog.get_logger(__name__)

PATH: Final = "/callbacks"
#: Bytes. A callback with the longest text, tag and ten media URLs has less.
LONGEST: Final = 64 * 1024
#: Seconds after which a sender that was put off may come again.
AGAIN_S: Final = 10

_GONE: Final = "http.disconnect"
_decode: Final = msgspec.json.Decoder(list[dict[str, Any]] | dict[str, Any]).decode


class Store(Protocol):
    """What the receiver needs of the inbox."""

    def put(self, body: bytes) -> Awaitable[None]:
        """Keep a body; LedgerError if that cannot be said of it."""
        ...


class Answer(NamedTuple):
    """An answer's two ASGI messages, made once."""

    start: Message
    end: Message


def _answer(status: int, text: bytes = b"", **headers: str) -> Answer:
    length = ("content-length", str(len(text)))
    kind = [("content-type", "text/plain")] if text else []
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    pairs = [(n.encode(), v.encode()) for n, v in (length, *kind, *named)]
    return Answer(
        {"type": "http.response.start", "status": status, "headers": pairs},
        {"type": "http.response.body", "body": text},
    )


TAKEN: Final = _answer(202)
WRONG_METHOD: Final = _answer(405, b"POST callbacks here\n", allow="POST")
# What is left of such a body is not read: the connection ends with the answer.
TOO_LONG: Final = _answer(413, b"at most 64 KB\n", connection="close")
NOT_JSON: Final = _answer(400, b"not a JSON array of objects\n")
FOREIGN: Final = _answer(403, b"not from a browser\n")
WHO: Final = _answer(
    401,
    basic.WHO,
    www_authenticate=basic.CHALLENGE,
)
LATER: Final = _answer(503, b"come again\n", retry_after=str(AGAIN_S))


class Receiver:
    """An ASGI application for `POST /callbacks`.

    Args:
        inbox: Where bodies go.
        asked: The credentials to ask for; None: anybody may come.
    """

    def __init__(self, inbox: Store, asked: Pass | None) -> None:
        self._inbox = inbox
        self._basic = Basic(asked) if asked else None
        self._sparing = Sparing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # What need not wait is a plain call: a coroutine costs more than most checks.
        message = await receive()
        if message.get("more_body"):
            message = await _whole(message, receive)
        if message["type"] == _GONE:
            return
        body: bytes = message.get("body", b"")
        answer = self._refusal(scope, body)
        if answer is None:
            try:
                await self._inbox.put(body)
                answer = TAKEN
            except LedgerError as error:
                answer = self._put_off(error)
        await send(answer.start)
        await send(answer.end)

    def _refusal(self, scope: Scope, body: bytes) -> Answer | None:
        """The answer to what is not taken; None: take it.

        The body was read before the credentials are looked at: so the challenge leaves
        a connection on which the same callback can come again.
        """
        if scope["method"] != "POST":
            return WRONG_METHOD
        if len(body) > LONGEST:
            return self._refused(TOO_LONG, "too long", len(body))
        if (answer := self._stranger(scope["headers"])) is not None:
            return answer
        if not _is_callback(body):
            return self._refused(NOT_JSON, "not a JSON array of objects", len(body))
        return None

    def _stranger(self, headers: list[tuple[bytes, bytes]]) -> Answer | None:
        """The answer to who may not come in; None: come in."""
        given = None
        for name, value in headers:
            if name == b"authorization":
                given = value
            elif name == b"origin":
                # A page that somebody visits may have their browser post to this
                # machine, with credentials that the browser knows.
                return self._refused(FOREIGN, "sent by a browser")
        if self._basic is None:
            return None
        if given is None:
            # Not told: every callback begins like this.
            return WHO
        if self._basic.opens(given):
            return None
        return self._refused(WHO, "wrong credentials")

    def _put_off(self, error: LedgerError) -> Answer:
        # The error's text may quote what Redis was told.
        if times := self._sparing(reason(error)):
            log.warning("callback.put_off", reason=reason(error), times=times)
        return LATER

    def _refused(self, answer: Answer, reason: str, length: int = 0) -> Answer:
        if times := self._sparing(reason):
            log.warning("callback.refused", reason=reason, length=length, times=times)
        return answer


async def _whole(message: Message, receive: Receive) -> Message:
    """The message with the rest of the body, cut off once it is too long."""
    body = bytearray(message["body"])
    while message.get("more_body") and len(body) <= LONGEST:
        message = await receive()
        body += message.get("body", b"")
    return {**message, "body": bytes(body)}


def _is_callback(body: bytes) -> bool:
    try:
        _decode(body)
    except (ValueError, RecursionError):
        return False
    return True


def reason(error: LedgerError) -> str:
    """Why nothing can be stored, for a log or a stranger."""
    match error:
        case InboxFull():
            return "the inbox is full"
        case LedgerUnreachable():
            return "Redis does not answer"
    return "Redis refuses"
