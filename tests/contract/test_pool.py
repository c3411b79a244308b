"""The pool: which connection is used again, who waits, and nothing gets lost."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.contract.answerer import Answerer, Peer, answer, forever
from tests.contract.client import AGES, LOOPS, post, run, turns
from workers.connection import NotWritten
from workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

pytestmark = pytest.mark.parametrize("new_loop", LOOPS)


# -- idle connections ----------------------------------------------------------


@pytest.mark.parametrize(
    "action",
    [lambda peer: peer.sock.close(), Peer.reset, lambda peer: peer.say(answer())],
)
def test_an_idle_connection_that_ends_is_not_used_again(
    new_loop: NewLoop, action: Callable[[Peer], None]
) -> None:
    """EOF, RST or an answer to nothing: the next request gets another connection."""
    idle, acted = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.say(answer())
        idle.wait(AGES)
        if not acted.is_set():
            action(peer)
            acted.set()
        peer.hang()

    async def two(url: str) -> None:
        async with Transport(size=1) as transport:
            await post(transport, url)
            idle.set()
            await asyncio.to_thread(acted.wait, AGES)
            await turns()
            await post(transport, url)

    with Answerer(script) as server:
        run(new_loop, two(server.url))
    assert len(server.peers) == 2


@pytest.mark.parametrize(
    ("idle", "hint", "connections"),
    [
        (14.9, b"X: y", 1),
        (15.0, b"X: y", 2),
        (3.9, b"Keep-Alive: timeout=5", 1),
        (4.0, b"Keep-Alive: timeout=5, max=9", 2),
        (0.0, b"Connection: close", 2),
    ],
)
def test_idle_connections_expire(
    new_loop: NewLoop, idle: float, hint: bytes, connections: int
) -> None:
    """After 15 s, or a second before the time that the peer named."""
    time = [100.0]

    async def two(url: str) -> None:
        async with Transport(clock=lambda: time[0]) as transport:
            await post(transport, url)
            time[0] += idle
            await post(transport, url)

    def script(peer: Peer) -> None:
        while peer.request():
            peer.say(answer(202, b"{}", hint))

    with Answerer(script) as server:
        run(new_loop, two(server.url))
    assert len(server.peers) == connections


# -- the pool ------------------------------------------------------------------


def test_a_full_pool_serves_in_order(new_loop: NewLoop) -> None:
    """Never more connections than its size; whoever came first goes first."""
    order: list[int] = []

    async def many(url: str) -> None:
        async with Transport(size=2) as transport:

            async def one(number: int) -> None:
                async def before_write() -> None:
                    order.append(number)

                await post(transport, url, before_write=before_write)

            await asyncio.gather(*(one(number) for number in range(20)))

    with Answerer(forever) as server:
        run(new_loop, many(server.url))
    assert len(server.peers) == 2
    assert order[2:] == list(range(2, 20))


def test_a_full_pool_does_not_wait_for_ever(new_loop: NewLoop) -> None:
    """A wait that is given up, by time or by cancelling, costs no connection."""
    held, free = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        held.set()
        free.wait(AGES)
        peer.say(answer())
        forever(peer)

    async def crowded(url: str) -> None:
        async with Transport(size=1) as transport:
            holder = asyncio.create_task(post(transport, url))
            await asyncio.to_thread(held.wait, AGES)
            with pytest.raises(httpx.PoolTimeout):
                await post(transport, url, timeout={"pool": 0.01})
            waiter = asyncio.create_task(post(transport, url))
            await turns()
            waiter.cancel()
            free.set()
            await holder
            await post(transport, url)

    with Answerer(script) as server:
        run(new_loop, crowded(server.url))
    assert server.peers[0].received.count(b"POST") == 2


def test_a_place_that_becomes_free_is_not_lost(new_loop: NewLoop) -> None:
    """Connections that end hand their place to the next in the queue."""

    async def many(url: str) -> list[object]:
        async with Transport(size=2) as transport:
            tasks = [post(transport, url) for _ in range(10)]
            return await asyncio.gather(*tasks, return_exceptions=True)

    def script(peer: Peer) -> None:
        peer.request()
        peer.reset()

    with Answerer(script) as server:
        results = run(new_loop, many(server.url))
    assert {type(result) for result in results} == {httpx.ReadError}
    assert len(server.peers) == 10


@pytest.mark.parametrize("seed", range(5))
def test_cancelling_at_any_point_loses_no_place(new_loop: NewLoop, seed: int) -> None:
    """After a storm of cancelled requests each connection is idle or gone."""
    dice = random.Random(seed)

    async def storm(url: str) -> tuple[int, int]:
        async with Transport(size=3) as transport:
            tasks = [asyncio.create_task(post(transport, url)) for _ in range(60)]
            while not all(task.done() for task in tasks):
                await asyncio.sleep(0)
                if dice.random() < 0.3:
                    dice.choice(tasks).cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            (pool,) = transport._pools.values()
            return pool._taken, len(pool._idle)

    with Answerer(forever) as server:
        taken, idle = run(new_loop, storm(server.url))
    assert taken == idle <= 3


def test_a_closed_transport_writes_nothing(new_loop: NewLoop) -> None:
    """Those in the queue and those that come later are told so."""

    async def closed(url: str) -> None:
        transport = Transport(size=1)
        gate = asyncio.Event()

        async def before_write() -> None:
            await gate.wait()

        holder = asyncio.create_task(post(transport, url, before_write=before_write))
        await turns()
        waiter = asyncio.create_task(post(transport, url))
        await turns()
        await transport.aclose()
        for late in (waiter, post(transport, url)):
            with pytest.raises(NotWritten):
                await late
        gate.set()
        assert (await holder).status_code == 202

    with Answerer(forever) as server:
        run(new_loop, closed(server.url))
