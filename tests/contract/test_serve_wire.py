"""Bytes on the wire to the callback receiver: bounds, and anything at all."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from dispatcher.ledger.keys import key
from dispatcher.web import server
from tests.bench import Bench
from tests.serving import served, serving
from tests.stack import eventually

BODY = b'[{"type":"message-delivered"}]'


@pytest.fixture
def site(bench: Bench) -> Iterator[str]:
    """A receiver that asks for nothing, over an empty ledger."""
    with serving(bench.url) as url:
        yield url


# -- bounds --------------------------------------------------------------------------


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def talk(url: str, *pieces: bytes, seconds: float = 10) -> bytes:
    """Everything that comes back for some bytes, until the server hangs up."""
    with socket.create_connection(address(url), 10) as wire:
        wire.settimeout(seconds)
        heard = b""
        # It may hang up on bytes that it does not want to read.
        with suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                wire.sendall(piece)
            while piece := wire.recv(65536):
                heard += piece
        return heard


HEAD = b"POST /callbacks HTTP/1.1\r\nHost: x\r\nContent-Length: "


def test_a_body_that_never_ends_is_cut_off(site: str) -> None:
    """413 as soon as it is too long, however long it says it will be."""
    heard = talk(site, HEAD + b"99999999999\r\n\r\n", b"x" * 70_000)
    assert heard.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /callb",
        HEAD,
        HEAD + b"100\r\n\r\n",
        HEAD + b"100\r\n\r\n[{",
        b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[{",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal",
    ],
)
def test_who_does_not_go_on_is_hung_up_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """Wherever a request stops: nobody waits for the rest for ever."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.2)
    with serving(bench.url) as url:
        heard = talk(url, begun)
        assert heard == b"" or heard.startswith((b"HTTP/1.1 404", b"HTTP/1.1 200"))
    assert bench.redis.llen(key("inbox")) == 0


def test_who_drips_is_hung_up_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request has to be whole in time; a byte now and then does not help."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.3)

    def drip(wire: socket.socket) -> None:
        wire.sendall(b"POST /callbacks HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        for _ in range(100):
            wire.sendall(b"x")
            time.sleep(0.05)

    with (
        serving(bench.url) as url,
        socket.create_connection(address(url)) as wire,
        pytest.raises(OSError, match=r"reset|pipe"),
    ):
        drip(wire)


def test_a_head_that_never_ends_is_cut_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody makes it keep headers by the megabyte, however fast they come."""
    monkeypatch.setattr(server, "PATIENCE_S", 60)
    lines = [b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(200)]
    with serving(bench.url) as url:
        assert talk(url, HEAD, b"1\r\n", *lines) == b""


def test_an_idle_connection_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is for a request, not for the time between two."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.2)
    with serving(bench.url) as url, httpx.Client(base_url=url) as client:
        first = client.post("/callbacks", content=BODY)
        wire = first.extensions["network_stream"].get_extra_info("socket")
        time.sleep(0.5)
        again = client.post("/callbacks", content=BODY)
        same = again.extensions["network_stream"].get_extra_info("socket") is wire
        assert (again.status_code, same) == (202, True)


def test_too_many_connections(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 beyond the bound, and service once some are gone."""
    monkeypatch.setattr(server, "_MOST", 3)
    with serving(bench.url) as url, ExitStack() as stack:
        first, second, third = (
            stack.enter_context(httpx.Client(base_url=url)) for _ in range(3)
        )
        each = [c.post("/callbacks", content=BODY) for c in (first, second, third)]
        assert [answer.status_code for answer in each] == [202, 202, 503]
        first.close()
        eventually(
            lambda: third.post("/callbacks", content=BODY).status_code == 202,
            *(10, "there is room again"),
        )


def test_requests_under_way_are_answered_at_the_end() -> None:
    """Who asks to end waits for them."""
    begun, go_on = threading.Event(), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for answer in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{answer}.complete"})
            return
        begun.set()
        await asyncio.to_thread(go_on.wait)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with ThreadPoolExecutor(1) as pool:
        with served(slow) as url:
            answer = pool.submit(httpx.get, url)
            assert begun.wait(5)
            threading.Timer(0.3, go_on.set).start()
        assert answer.result().status_code == 204


# -- anything ------------------------------------------------------------------------

TOKENS = st.sampled_from(
    [
        *(b"POST", b"GET", b" ", b"\r\n", b"\r\n\r\n", b"/callbacks", b"/healthz"),
        *(b" HTTP/1.1\r\n", b" HTTP/9.9\r\n", b"Content-Length: ", b"5", b"-1"),
        *(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"ffffffffffffffffff\r\n"),
        *(b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n", b"%00%ff", b"?"),
        *(b"Connection: upgrade\r\n", b"Authorization: Basic ", b"\x00", b"[{}]"),
        *(b"Host: x\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"http://[::1", b"#"),
    ]
)
WIRE = st.lists(TOKENS | st.binary(max_size=20), max_size=20).map(b"".join)


@pytest.fixture(scope="module")
def hasty(server_url: str) -> Iterator[str]:
    """A receiver that hangs up soon."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "PATIENCE_S", 0.05)
        patched.setattr(server, "_IDLE_S", 0.05)
        with serving(server_url) as url:
            yield url


def is_well(url: str) -> bool:
    """Whether it answers; one that hangs up soon may do so first."""
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    return talk(url, request).startswith(b"HTTP/1.1 200 ")


@settings(max_examples=100, deadline=None)
@example(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nxx")
@example(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\nxx")
@given(wire=WIRE)
def test_no_bytes_make_it_fail(hasty: str, wire: bytes) -> None:
    """Whatever is sent: no 5xx, and the next one is served."""
    heard = talk(hasty, wire)
    assert b"HTTP/1.1 5" not in heard, heard
    eventually(lambda: is_well(hasty), 10, "it still answers")
