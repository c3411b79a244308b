"""Connections that cannot be made, and TLS: nothing leaves before all is well."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.contract.answerer import Answerer, Peer, always, answer, forever
from tests.contract.client import LOOPS, once, post, run
from tests.contract.tls import client_side, server_side
from workers.connection import NotWritten
from workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

pytestmark = pytest.mark.parametrize("new_loop", LOOPS)


# -- connecting ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["no-such-host.invalid", f"{'a' * 64}.invalid"])
def test_names_that_do_not_resolve(new_loop: NewLoop, name: str) -> None:
    """An unknown or impossible name is a connect error."""
    with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):
        run(new_loop, once(f"http://{name}/"))


def test_connection_refused(new_loop: NewLoop) -> None:
    """So is a port where nobody listens; and it leaves the pool whole."""

    async def two(url: str) -> None:
        async with Transport(size=1) as transport:
            for _ in range(2):
                with pytest.raises(httpx.ConnectError) as caught:
                    await post(transport, url)
                assert "secret" not in str(caught.value)

    with Answerer(forever) as server:
        server.refuse()
        run(new_loop, two(server.url.replace("//", "//user:secret@")))


def test_ipv6(new_loop: NewLoop) -> None:
    """An IPv6 address works like any other."""
    try:
        server = Answerer(always(answer()), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        assert run(new_loop, once(server.url)).status_code == 202


@pytest.mark.parametrize(
    "request_",
    [
        httpx.Request("HEAD", "http://127.0.0.1/"),
        httpx.Request("GET", "ftp://127.0.0.1/"),
        httpx.Request("POST", "http://127.0.0.1/", content=iter([b"x"])),
        httpx.Request("GET", "http://127.0.0.1/", headers={"a": "b\r\nc: d"}),
        httpx.Request("GET", "http://127.0.0.1/", headers={"a": "b\nc: d"}),
    ],
)
def test_requests_it_cannot_carry(new_loop: NewLoop, request_: httpx.Request) -> None:
    """They are turned away before a connection is made."""
    with pytest.raises(NotWritten):
        run(new_loop, Transport().handle_async_request(request_))


# -- TLS -----------------------------------------------------------------------


def test_tls(new_loop: NewLoop) -> None:
    """A trusted certificate for the right name, and HTTP/1.1 is agreed on."""
    agreed = []

    def script(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        agreed.append(peer.sock.selected_alpn_protocol())
        forever(peer)

    async def two(url: str) -> None:
        async with Transport(ssl_context=client_side()) as transport:
            for _ in range(2):
                assert (await post(transport, url)).content == b'{"id":"m1"}'

    with Answerer(script, tls=server_side()) as server:
        run(new_loop, two(f"https://localhost:{server.port}/"))
    assert agreed == ["http/1.1"]


@pytest.mark.parametrize(
    ("host", "context"),
    [("localhost", ssl.create_default_context), ("127.0.0.1", client_side)],
)
def test_tls_with_a_wrong_certificate(
    new_loop: NewLoop, host: str, context: Callable[[], ssl.SSLContext]
) -> None:
    """Not trusted, or of another name: a connect error, nothing is sent."""

    async def refused(url: str) -> None:
        async with Transport(ssl_context=context()) as transport:
            with pytest.raises(httpx.ConnectError):
                await post(transport, url)

    with Answerer(forever, tls=server_side()) as server:
        run(new_loop, refused(f"https://{host}:{server.port}/"))
    assert server.peers[0].received == b""


def test_tls_handshake_that_never_ends(new_loop: NewLoop) -> None:
    """A peer that takes the connection and says nothing is a connect timeout."""
    with Answerer(Peer.hang) as server, pytest.raises(httpx.ConnectTimeout):
        run(
            new_loop,
            once(f"https://127.0.0.1:{server.port}/", timeout={"connect": 0.05}),
        )
