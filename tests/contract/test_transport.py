"""The transport over real sockets: what each way to fail raises, and when."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.contract.answerer import Answerer, Peer, always, answer
from tests.contract.client import AGES, LOOPS, once, post, run
from workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    Script = Callable[[Peer], None]
    NewLoop = Callable[[], asyncio.AbstractEventLoop]

CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.parametrize("new_loop", LOOPS)


# -- answers -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        (answer(202, b"abc"), 202, b"abc"),
        (b"HTTP/1.1 204 X\r\n\r\n", 204, b""),
        (b"HTTP/1.0 200 X\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (answer(202, b"abc", b"Connection: close"), 202, b"abc"),
        (b"HTTP/1.1 100 X\r\n\r\n" + answer(400, b"no"), 400, b"no"),
        (b"HTTP/1.1 103 X\r\nLink: x\r\n\r\n" * 3 + answer(202, b"ok"), 202, b"ok"),
        (
            CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
            200,
            b"abcde",
        ),
    ],
)
def test_answers_are_read(
    new_loop: NewLoop, reply: bytes, status: int, body: bytes
) -> None:
    """Every framing that HTTP/1.1 has gives status and body."""
    with Answerer(always(reply)) as server:
        response = run(new_loop, once(server.url))
    assert (response.status_code, response.content) == (status, body)


def test_an_answer_may_come_byte_by_byte(new_loop: NewLoop) -> None:
    """It does not matter how the network cuts an answer."""

    def script(peer: Peer) -> None:
        peer.request()
        for byte in answer(202, b"abc"):
            peer.say(bytes([byte]))

    with Answerer(script) as server:
        assert run(new_loop, once(server.url)).content == b"abc"


def test_an_answer_without_a_length_ends_with_the_connection(new_loop: NewLoop) -> None:
    """Read until close is an answer like any other."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.say(b"HTTP/1.1 200 X\r\n\r\nabc")

    with Answerer(script) as server:
        assert run(new_loop, once(server.url)).content == b"abc"


def test_request_is_one_http_message(new_loop: NewLoop) -> None:
    """Request line, headers, one length and the body arrive as they should."""
    with Answerer(always(answer())) as server:
        run(new_loop, once(f"{server.url}?a=%20b", body=b'{"a":1}'))
    head, _, body = server.peers[0].received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /messages?a=%20b HTTP/1.1"
    assert b"Host: 127.0.0.1:%d" % server.port in lines
    assert [line for line in lines if line.lower().startswith(b"content-length")] == [
        b"Content-Length: 7"
    ]
    assert body == b'{"a":1}'


def test_httpx_client_works_on_top(new_loop: NewLoop) -> None:
    """For rare calls the transport serves a plain `httpx.AsyncClient`."""

    async def get(url: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=Transport()) as client:
            return await client.get(url, params={"to": "+1"})

    with Answerer(always(answer(200, b"[]"))) as server:
        response = run(new_loop, get(server.url))
    assert response.json() == []
    assert server.peers[0].received.startswith(b"GET /messages?to=%2B1 HTTP/1.1")


# -- after the write -----------------------------------------------------------


def after_request(action: Script) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        action(peer)

    return script


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (lambda _: None, httpx.ReadError),
        (lambda peer: peer.reset(), httpx.ReadError),
        (lambda peer: peer.say(answer()[:-1]), httpx.ReadError),
        (lambda peer: peer.say(b"HTTP/1.1 100 X\r\n\r\n"), httpx.ReadError),
        (lambda peer: peer.say(b"HTTP/1.1 202 X\r\n"), httpx.ReadError),
        (lambda peer: peer.say(b"220 smtp ready\r\n"), httpx.RemoteProtocolError),
        (lambda peer: peer.say(answer() * 2), httpx.RemoteProtocolError),
        (
            lambda peer: peer.say(
                b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
            ),
            httpx.RemoteProtocolError,
        ),
        (
            lambda peer: peer.say(answer(202, b"x" * 1_100_000)),
            httpx.RemoteProtocolError,
        ),
        (
            lambda peer: peer.say(b"HTTP/1.1 100 X\r\n\r\n" * 60_000),
            httpx.RemoteProtocolError,
        ),
    ],
)
def test_failures_after_the_write(
    new_loop: NewLoop, action: Script, error: type[Exception]
) -> None:
    """Whatever goes wrong after the write has an error of the second kind."""
    with Answerer(after_request(action)) as server, pytest.raises(error) as caught:
        run(new_loop, once(server.url, body=b'{"to":"+19195551212"}'))
    assert caught.type is error
    assert "+1919" not in str(caught.value)


def test_drop_before_reading(new_loop: NewLoop) -> None:
    """A peer that closes unread: the request had left all the same."""

    def script(peer: Peer) -> None:
        peer.sock.recv(1, socket.MSG_PEEK)

    with Answerer(script) as server, pytest.raises(httpx.ReadError):
        run(new_loop, once(server.url))
    assert server.peers[0].received == b""


def test_silence_ends_at_the_deadline(new_loop: NewLoop) -> None:
    """A peer that hangs, or answers in part, ends as a read timeout."""
    with Answerer(always(answer()[:9])) as server, pytest.raises(httpx.ReadTimeout):
        run(new_loop, once(server.url, deadline=0.05))


def test_cancelling_after_the_write_closes_the_connection(new_loop: NewLoop) -> None:
    """The late answer cannot be taken for that of the next request."""
    written = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        written.set()
        peer.hang()

    async def cancelled(url: str) -> None:
        async with Transport(size=1) as transport:
            task = asyncio.create_task(post(transport, url))
            await asyncio.to_thread(written.wait, AGES)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            written.clear()
            again = asyncio.create_task(post(transport, url))
            await asyncio.to_thread(written.wait, AGES)
            again.cancel()

    with Answerer(script) as server:
        run(new_loop, cancelled(server.url))
    assert len(server.peers) == 2


def test_early_answer_then_close(new_loop: NewLoop) -> None:
    """An answer before the whole request was read counts; the connection does not."""

    def script(peer: Peer) -> None:
        peer.request(limit=10)
        peer.say(answer(413, b"too long"))
        peer.hang()

    async def two(url: str) -> list[int]:
        async with Transport() as transport:
            big = b"x" * 20_000_000
            return [(await post(transport, url, big)).status_code for _ in range(2)]

    with Answerer(script) as server:
        assert run(new_loop, two(server.url)) == [413, 413]
    assert len(server.peers) == 2
