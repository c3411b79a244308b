"""The callback receiver by itself: every answer, and what is stored and logged."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from dispatcher import logs
from dispatcher.doors import Pass
from dispatcher.errors import (
    InboxFull,
    LedgerCorrupt,
    LedgerError,
    LedgerUnreachable,
)
from dispatcher.web.receiver import LONGEST, Receiver

NUMBER = "+19195551201"
TEXT = "Doors open at six"
EVENT = {"type": "message-delivered", "to": NUMBER, "message": {"text": TEXT}}
BODY = json.dumps([EVENT]).encode()
ASKED = Pass("bandwidth", SecretStr("pass:wörd"))
DISCONNECT: dict[str, Any] = {"type": "http.disconnect"}

Headers = list[tuple[bytes, bytes]]


def basic(username: str, password: str, scheme: str = "Basic") -> Headers:
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return [(b"authorization", f"{scheme} {token}".encode())]


GOOD = basic("bandwidth", "pass:wörd")


class Inbox:
    """Keeps bodies, or fails as it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.bodies: list[bytes] = []

    async def put(self, body: bytes) -> None:
        if self.error:
            raise self.error
        self.bodies.append(body)


class Call:
    """One request to a receiver; what came back and what was stored."""

    def __init__(
        self,
        body: bytes | Sequence[bytes] = BODY,
        headers: Headers | None = None,
        *,
        method: str = "POST",
        asked: Pass | None = ASKED,
        error: Exception | None = None,
        gone: bool = False,
    ) -> None:
        chunks = [body] if isinstance(body, bytes) else list(body)
        self._events = [
            {"type": "http.request", "body": chunk, "more_body": True}
            for chunk in chunks
        ]
        self.sent: list[MutableMapping[str, Any]] = []
        if gone:
            self._events.append(DISCONNECT)
        else:
            self._events[-1]["more_body"] = False
        self.inbox = Inbox(error)
        scope = {
            "type": "http",
            "method": method,
            "headers": GOOD if headers is None else headers,
        }
        receiver = Receiver(self.inbox, asked)
        asyncio.run(receiver(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        return self._events.pop(0)

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    @property
    def left(self) -> int:
        """Pieces of the body that were not asked for."""
        return len(self._events)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        assert [message["type"] for message in self.sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert self.header("content-length") == str(len(self.sent[1]["body"]))
        return status

    def header(self, name: str) -> str | None:
        return {n.decode(): v.decode() for n, v in self.sent[0]["headers"]}.get(name)


# -- what is taken ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        json.dumps(EVENT).encode(),
        json.dumps([EVENT, EVENT, {"type": "message-unheard-of"}]).encode(),
        json.dumps([EVENT], ensure_ascii=False, indent=2).encode() + b"\r\n",
        b"[]",
        b"{}",
        b'[{"message": null, "to": ["\xc3\xa9"]}]',
    ],
)
def test_callbacks_are_stored_as_they_came(body: bytes) -> None:
    """An array, one object, several, unknown ones: byte for byte, then 202."""
    call = Call(body)
    assert (call.status, call.inbox.bodies) == (202, [body])


def test_a_body_may_come_in_pieces() -> None:
    """They are put together."""
    call = Call([BODY[:5], b"", BODY[5:40], BODY[40:]])
    assert (call.status, call.inbox.bodies) == (202, [BODY])


def test_the_longest_body_is_taken() -> None:
    """The bound itself is not too long."""
    body = b'[{"a":"' + b"x" * (LONGEST - 10) + b'"}]'
    assert len(body) == LONGEST
    assert Call(body).status == 202


# -- what is not -----------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"null", b"1", b'"text"', b"[1]", b"[[]]", b"[{}, null]"),
        *(b'{"a":1', b"{'a':1}", b"[{}],", b"[{}]\0", b"a=b&c=d", b"<html/>"),
        BODY.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + BODY,
        b'[{"a":"\xff\xfe"}]',
        b'[{"a":"\\ud800"}]',
        b'[{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}]",
        b"[" * LONGEST,
        b'[{"a":' + b"9" * 60_000 + b"}]",
        b'[{"a":1e999}]',
        b'[{"a":NaN}]',
    ],
)
def test_what_is_not_json_of_the_right_shape(body: bytes) -> None:
    """400, and nothing is stored."""
    call = Call(body)
    assert (call.status, call.inbox.bodies) == (400, [])


def test_a_body_that_is_too_long_is_not_read_to_its_end() -> None:
    """413 once the bound is passed, and the connection with the rest of it ends."""
    call = Call([b"x" * LONGEST, b"x", b"x", b"x"])
    assert (call.status, call.header("connection")) == (413, "close")
    assert call.left == 2
    assert call.inbox.bodies == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods(method: str) -> None:
    """405, and what would do."""
    call = Call(method=method)
    assert (call.status, call.header("allow")) == (405, "POST")
    assert call.inbox.bodies == []


def test_who_hangs_up_half_way_gets_no_answer() -> None:
    """And nothing of theirs is stored, even if it could be read."""
    for body in ([BODY], [b"[", b"{}", b"]"], []):
        call = Call(body or [b""], gone=True)
        assert (call.sent, call.inbox.bodies) == ([], [])


def test_who_hangs_up_at_once_gets_no_answer() -> None:
    """Nothing came at all."""
    receiver = Receiver(inbox := Inbox(), None)

    async def gone() -> dict[str, Any]:
        return DISCONNECT

    async def send(_: object) -> None:
        pytest.fail("nobody is there")

    asyncio.run(receiver({"method": "POST", "headers": []}, gone, send))
    assert inbox.bodies == []


# -- credentials -----------------------------------------------------------------


def test_who_brings_none_is_asked() -> None:
    """The challenge, without which the provider would not come a second time."""
    call = Call(headers=[])
    challenge = 'Basic realm="dispatcher", charset="UTF-8"'
    assert (call.status, call.header("www-authenticate")) == (401, challenge)
    assert call.inbox.bodies == []
    # The connection is good for the second try.
    assert call.left == 0
    assert call.header("connection") is None


@pytest.mark.parametrize(
    "headers",
    [
        basic("bandwidth", "wrong"),
        basic("bandwidth", ""),
        basic("other", "pass:wörd"),
        basic("bandwidth", "pass:wörd", "Bearer"),
        basic("bandwidth", "pass:wörd", ""),
        [(b"authorization", b"")],
        [(b"authorization", b"Basic")],
        [(b"authorization", b"Basic !!! \xff")],
        [(b"authorization", b"Basic YmFuZHdpZHRoOnBhc3M=")],
        [*GOOD, *basic("bandwidth", "wrong")],
    ],
)
def test_wrong_credentials(headers: Headers) -> None:
    """401 again, and nothing is stored."""
    call = Call(headers=headers)
    assert (call.status, call.inbox.bodies) == (401, [])


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Basic "])
def test_the_right_ones(scheme: str) -> None:
    """The scheme's name is written in any case."""
    assert Call(headers=basic("bandwidth", "pass:wörd", scheme)).status == 202


def test_without_credentials_of_ours_anybody_may_come() -> None:
    """On this machine only, which is the server's affair."""
    assert Call(headers=[], asked=None).status == 202
    assert Call(asked=None).status == 202


@pytest.mark.parametrize("asked", [None, ASKED])
def test_a_page_in_a_browser_may_not(asked: Pass | None) -> None:
    """Whatever credentials the browser knows: a browser always says who asks."""
    call = Call(headers=[*GOOD, (b"origin", b"https://a.example")], asked=asked)
    assert (call.status, call.inbox.bodies) == (403, [])


# -- when it cannot be stored ------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnreachable("away"),
        InboxFull("full"),
        LedgerError("out of memory"),
        LedgerCorrupt("?"),
    ],
)
def test_who_cannot_be_served_is_to_come_again(error: Exception) -> None:
    """503, never a 2xx."""
    call = Call(error=error)
    assert (call.status, call.header("retry-after")) == (503, "10")


def test_a_fault_of_ours_is_not_answered_as_taken() -> None:
    """It is raised; the server answers 500."""
    with pytest.raises(LookupError):
        Call(error=LookupError())


# -- what is logged --------------------------------------------------------------


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """All that is logged, at debug level."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    logs.configure("json", "debug", stream)
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    structlog.reset_defaults()
    root.handlers = before
    root.setLevel(level)


def test_nothing_of_a_body_or_a_password_is_logged(stream: io.StringIO) -> None:
    """Reason and length, at every level and for every fault."""
    private = [NUMBER[1:], TEXT, "wörd", "secret", base64.b64encode(b"secret").decode()]
    quoting = LedgerError(f"ERR unknown command, with args beginning with {BODY!r}")
    Call(BODY)
    Call(BODY[:-1])
    Call(BODY * 1000)
    Call(error=quoting)
    Call(headers=basic("bandwidth", "secret"))
    Call(headers=[(b"authorization", b"secret")])
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["reason"], line.get("length")) for line in lines] == [
        ("not a JSON array of objects", len(BODY) - 1),
        ("too long", len(BODY) * 1000),
        ("Redis refuses", None),
        ("wrong credentials", 0),
        ("wrong credentials", 0),
    ]
    assert [secret for secret in private if secret in stream.getvalue()] == []


def test_a_flood_is_counted_not_told(stream: io.StringIO) -> None:
    """However many come: a line for the first."""
    receiver = Receiver(Inbox(), None)

    async def junk() -> dict[str, Any]:
        return {"type": "http.request", "body": b"junk", "more_body": False}

    async def send(_: object) -> None: ...

    async def flood() -> None:
        for _ in range(1000):
            await receiver({"method": "POST", "headers": []}, junk, send)

    asyncio.run(flood())
    assert stream.getvalue().count("callback.refused") == 1


@pytest.mark.usefixtures("stream")
def test_no_repr_shows_a_password() -> None:
    """A receiver may come into a traceback."""
    assert "wörd" not in repr(Receiver(Inbox(), ASKED))
