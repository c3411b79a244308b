"""HTTP/1.1 as bytes: requests out of a stream, replies into one.

Knows no sockets and no messages; the parser itself is httptools.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import httptools

from dispatcher.simulator.answers import MALFORMED, TOO_LARGE
from dispatcher.simulator.exchange import Reply, Request

if TYPE_CHECKING:
    from collections import deque

#: Bytes of a body: a media file has up to 3.75 MB, a send call 60 kB.
MAX_BODY: Final = 1 << 22
#: Bytes that all around a body may add: headers, sizes of chunks.
MAX_AROUND: Final = 1 << 16


class Unreadable(Exception):
    """The stream cannot be read on.

    Attributes:
        reply: What the client is told.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class RequestReader:
    """Cuts a stream of bytes into requests.

    Args:
        peer: The client's address.
        ready: Gets each complete request, and whether the client will keep the
            connection after it.
    """

    def __init__(self, peer: str, ready: deque[tuple[Request, bool]]) -> None:
        self._peer = peer
        self._ready = ready
        self._parser = httptools.HttpRequestParser(self)
        self._received = 0
        self._oversized = False

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            Unreadable: It is not HTTP, or too much of it for one request.
        """
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # A server may ignore it: the request is answered as a usual one.
        except httptools.HttpParserError:
            raise Unreadable(MALFORMED) from None
        if self._oversized or self._received > MAX_BODY + MAX_AROUND:
            raise Unreadable(TOO_LARGE)

    def on_message_begin(self) -> None:
        """Called by the parser, as are the next four."""
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """A piece of the body, or a chunk of it."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        parser = self._parser
        self._received = 0
        body = b"".join(self._body)
        self._oversized = self._oversized or len(body) > MAX_BODY
        request = Request(
            method=parser.get_method().decode("ascii"),
            target=self._target.decode("latin-1"),
            headers=self._headers,
            body=body,
            peer=self._peer,
        )
        keep = parser.should_keep_alive() and not parser.should_upgrade()
        if not self._oversized:
            self._ready.append((request, keep))


def encode(reply: Reply, *, keep: bool) -> bytes:
    """A reply as it goes over the wire."""
    head = _head(reply.status, reply.content_type, reply.headers, keep)
    return b"%b%d\r\n\r\n%b" % (head, len(reply.body), reply.body)


@lru_cache(maxsize=256)
def _head(
    status: int,
    content_type: str,
    headers: tuple[tuple[str, str], ...],
    keep: bool,  # noqa: FBT001  # a cache key must be positional to be one
) -> bytes:
    """Everything before the number of bytes."""
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {content_type}",
        f"Connection: {'keep-alive' if keep else 'close'}",
        *(f"{name}: {value}" for name, value in headers),
        "Content-Length: ",
    ]
    return "\r\n".join(lines).encode("latin-1")
