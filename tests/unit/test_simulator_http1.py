"""HTTP/1.1 as bytes: how requests are cut out of a stream, how replies look."""

from __future__ import annotations

from collections import deque

import pytest

from dispatcher.simulator.exchange import Reply, Request
from dispatcher.simulator.http1 import (
    MAX_AROUND,
    MAX_BODY,
    RequestReader,
    Unreadable,
    encode,
)

SIMPLE = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


def read(*pieces: bytes) -> list[tuple[Request, bool]]:
    """All requests of a stream that comes in these pieces."""
    ready: deque[tuple[Request, bool]] = deque()
    reader = RequestReader("10.0.0.1", ready)
    for piece in pieces:
        reader.feed(piece)
    return list(ready)


def test_a_request_is_read_in_full() -> None:
    """Header names in lower case, the target as sent."""
    ((request, keep),) = read(SIMPLE)
    assert keep
    assert request == Request(
        method="POST",
        target="/a?b=c",
        headers={b"host": b"x", b"content-length": b"3"},
        body=b"abc",
        peer="10.0.0.1",
    )


def test_it_does_not_matter_how_the_stream_is_cut() -> None:
    """Byte by byte, two at once, or one and a half."""
    whole = SIMPLE * 3
    expected = read(SIMPLE) * 3
    assert read(whole) == expected
    assert read(*(whole[n : n + 1] for n in range(len(whole)))) == expected
    middle = len(SIMPLE) * 3 // 2
    assert read(whole[:middle], whole[middle:]) == expected


def test_a_chunked_body_is_put_together() -> None:
    """Sizes, extensions and trailers are no part of it."""
    ((request, _),) = read(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: z\r\n\r\n"
    )
    assert request.body == b"abcde"


@pytest.mark.parametrize(
    ("head", "keep"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", False),
        (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", False),
    ],
)
def test_who_keeps_the_connection(head: bytes, keep: bool) -> None:  # noqa: FBT001
    """As the client's version and headers say; an upgrade is never made."""
    assert [kept for _, kept in read(head)] == [keep]


@pytest.mark.parametrize("extra", [0, 1])
def test_a_body_has_a_limit(extra: int) -> None:
    """One megabyte is read, one byte more is not."""
    size = MAX_BODY + extra
    stream = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    if extra:
        with pytest.raises(Unreadable) as caught:
            read(stream)
        assert caught.value.reply.status == 413
    else:
        assert [len(request.body) for request, _ in read(stream)] == [MAX_BODY]


def test_endless_headers_have_a_limit() -> None:
    """As has anything else that never becomes a request."""
    piece = b"x" * 65_536
    pieces = [piece] * (1 + (MAX_BODY + MAX_AROUND) // len(piece))
    with pytest.raises(Unreadable) as caught:
        read(b"GET / HTTP/1.1\r\nX: ", *pieces)
    assert caught.value.reply.status == 413


def test_what_is_no_http_is_told() -> None:
    """After the requests that came before it."""
    ready: deque[tuple[Request, bool]] = deque()
    with pytest.raises(Unreadable) as caught:
        RequestReader("", ready).feed(SIMPLE + b"\x16\x03\x01 nonsense\r\n\r\n")
    assert caught.value.reply.status == 400
    assert len(ready) == 1


def test_a_reply_is_whole() -> None:
    """Length, type and further headers."""
    reply = Reply(
        status=429, body=b"{}", content_type="a/b", headers=(("Retry-After", "7"),)
    )
    assert encode(reply, keep=True) == (
        b"HTTP/1.1 429 Too Many Requests\r\n"
        b"Content-Type: a/b\r\n"
        b"Connection: keep-alive\r\n"
        b"Retry-After: 7\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )


def test_a_last_reply_says_so() -> None:
    """An empty body has a length too."""
    encoded = encode(Reply(status=500), keep=False)
    assert b"Connection: close\r\n" in encoded
    assert encoded.endswith(b"Content-Length: 0\r\n\r\n")
