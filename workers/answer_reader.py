"""Reads one HTTP/1.1 answer after another from bytes, with httptools' parser.

It knows nothing of sockets or time. It never guesses: an answer that is cut off,
too long, or followed by another one is an error and not an answer.
"""

from __future__ import annotations

import re
from typing import Final

import httptools
import httpx

#: Bytes one answer may have, its head and interim answers included. The provider's
#: are below 10 kB; without a bound a single bad answer could take all memory.
ANSWER_LIMIT: Final = 1024 * 1024

#: Seconds by which a connection is given up before the time at which the peer said
#: it would: its close and our next request must not cross on the way.
_IDLE_MARGIN: Final = 1.0
_IDLE_HINT: Final = re.compile(rb"timeout=(\d{1,6})")

_FIRST_FINAL_STATUS: Final = 200
_FRAMING: Final = (b"content-length", b"transfer-encoding")


class AnswerReader:
    """Collects the answers of one connection.

    Attributes:
        keep_alive: The last answer lets the connection be used again.
        idle_limit: Seconds the peer said it keeps an idle connection, less a margin.
    """

    __slots__ = (
        "_answer",
        "_body",
        "_head_done",
        "_headers",
        "_parser",
        "_received",
        "idle_limit",
        "keep_alive",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.keep_alive = False
        self.idle_limit = float("inf")
        self._received = 0
        self._expect_head()

    def feed(self, data: bytes) -> httpx.Response | None:
        """Take bytes as they came; return the answer once it is complete.

        Raises:
            httpx.RemoteProtocolError: Not HTTP, too long, a change of protocol, or
                more than one answer: which of them is ours cannot be told.
        """
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # The parser's own words would quote the answer.
            raise httpx.RemoteProtocolError("the answer is not valid HTTP") from None
        if self._received > ANSWER_LIMIT:
            raise httpx.RemoteProtocolError("the answer is too long")
        return self._taken()

    def end(self) -> httpx.Response:
        """Take the end of the stream: it completes an answer that has no length.

        Raises:
            httpx.ReadError: The answer is cut off, or there is none.
        """
        if not self._head_done or self._has_length():
            raise httpx.ReadError("closed before the answer was complete")
        return self._complete(keep_alive=False)

    def _has_length(self) -> bool:
        return any(name.lower() in _FRAMING for name, _ in self._headers)

    def _taken(self) -> httpx.Response | None:
        answer = self._answer
        if answer is not None:
            self._received = 0
            self._expect_head()
        return answer

    def _expect_head(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head_done = False
        self._answer: httpx.Response | None = None

    def _complete(self, *, keep_alive: bool) -> httpx.Response:
        answer = self._answer = httpx.Response(
            self._parser.get_status_code(),
            headers=self._headers,
            stream=httpx.ByteStream(b"".join(self._body)),
        )
        self.keep_alive = keep_alive
        for name, value in self._headers:
            if name.lower() == b"keep-alive":
                self._note_idle_limit(value)
        return answer

    def _note_idle_limit(self, value: bytes) -> None:
        hint = _IDLE_HINT.search(value)
        if hint:
            self.idle_limit = float(hint[1]) - _IDLE_MARGIN

    # What the parser calls. What is raised here ends the feed as a parser's error.

    def on_message_begin(self) -> None:
        """Refuse a second answer in the same bytes."""
        if self._answer is not None:
            raise ValueError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are dropped."""
        if not self._head_done:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note that the body begins."""
        self._head_done = True

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Build the answer; forget an interim one (1xx)."""
        if self._parser.get_status_code() < _FIRST_FINAL_STATUS:
            self._expect_head()
        else:
            self._complete(keep_alive=self._parser.should_keep_alive())
