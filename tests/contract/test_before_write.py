"""The permit: it is the last thing before the write, and without it nothing leaves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from tests.contract.answerer import Answerer, Peer, answer, forever
from tests.contract.client import AGES, LOOPS, once, post, run, turns
from workers.connection import NotWritten
from workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

pytestmark = pytest.mark.parametrize("new_loop", LOOPS)


def permit(until: float | None) -> Callable[[], Awaitable[float | None]]:
    async def before_write() -> float | None:
        return until

    return before_write


# -- the permit ----------------------------------------------------------------


@pytest.mark.parametrize(("until", "written"), [(100.0, 2), (99.9, 1)])
def test_a_permit_holds_until_its_time(
    new_loop: NewLoop, until: float, written: int
) -> None:
    """One moment too late, nothing is written and the connection stays."""

    async def two(url: str) -> None:
        async with Transport(clock=lambda: 100.0) as transport:
            with contextlib.suppress(NotWritten):
                await post(transport, url, before_write=permit(until))
            await post(transport, url)

    with Answerer(forever) as server:
        run(new_loop, two(server.url))
    assert len(server.peers) == 1
    assert server.peers[0].received.count(b"POST") == written


def test_the_write_is_made_at_once(new_loop: NewLoop) -> None:
    """The bytes leave in the step that checked the permit, not in a later turn."""
    arrived = threading.Event()
    seen = []

    def script(peer: Peer) -> None:
        peer.request()
        arrived.set()
        peer.say(answer())

    async def before_write() -> None:
        # Runs when the request's task waits for the answer, and blocks the loop.
        asyncio.get_running_loop().call_soon(lambda: seen.append(arrived.wait(AGES)))

    with Answerer(script) as server:
        run(new_loop, once(server.url, before_write=before_write))
    assert seen == [True]


def test_what_before_write_raises_passes_through(new_loop: NewLoop) -> None:
    """The very exception comes out, and the connection is used again."""
    refusal = LookupError("not now")

    async def before_write() -> None:
        raise refusal

    async def two(url: str) -> None:
        async with Transport() as transport:
            with pytest.raises(LookupError) as caught:
                await post(transport, url, before_write=before_write)
            assert caught.value is refusal
            await post(transport, url)

    with Answerer(forever) as server:
        run(new_loop, two(server.url))
    assert len(server.peers) == 1
    assert server.peers[0].received.count(b"POST") == 1


@pytest.mark.parametrize(
    "action",
    [lambda peer: peer.sock.close(), Peer.reset, lambda peer: peer.say(b"?")],
)
def test_a_connection_that_ends_while_it_waits_for_the_permit(
    new_loop: NewLoop, action: Callable[[Peer], None]
) -> None:
    """Closed, reset or written to unasked: nothing is sent over it."""
    waiting, acted = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        waiting.wait(AGES)
        action(peer)
        acted.set()
        peer.hang()

    async def before_write() -> None:
        waiting.set()
        await asyncio.to_thread(acted.wait, AGES)
        await turns()

    with Answerer(script) as server, pytest.raises(NotWritten):
        run(new_loop, once(server.url, before_write=before_write))
    assert server.peers[0].received == b""
