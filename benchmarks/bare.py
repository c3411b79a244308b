"""Loops that send ready-made messages and record nothing: what clients can do at best.

    python -m benchmarks.bare CLIENT N

One process, 64 messages in flight, to the provider that `BENCH_PROVIDER` names. Every
client is made once and keeps its connections; every loop reads the whole answer. Ours
is what a worker child sends with, and judges the answer as a worker does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import httpx
import msgspec
import uvloop

from benchmarks.harness import job
from benchmarks.peers import ours
from workers.bandwidth import Bandwidth, Message

IN_FLIGHT: Final = 64
#: Different messages that a loop sends in turn.
_READY: Final = 500

_ACCEPTED: Final = 202
Send = Callable[[int], Awaitable[None]]


class NotTaken(Exception):
    """The provider answered anything but 202."""


@asynccontextmanager
async def own() -> AsyncIterator[Send]:
    """The client and the transport of a worker child."""
    environ = ours.environment("redis://127.0.0.1:1", os.environ[job.PROVIDER])
    client = Bandwidth.from_settings(ours.settings(environ))
    messages = [_message(job.body(group)) for group in range(_READY)]

    async def send(i: int) -> None:
        outcome = await client.send(messages[i % _READY])
        if not outcome.message_id:
            raise NotTaken(outcome.code)

    yield send
    await client.aclose()


@asynccontextmanager
async def plain_httpx() -> AsyncIterator[Send]:
    """`httpx.AsyncClient` as it comes, with room for all that is in flight."""
    url, bodies = job.url(), _bodies()
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=None)
    async with httpx.AsyncClient(headers=job.headers(), limits=limits) as client:

        async def send(i: int) -> None:
            answer = await client.post(url, content=bodies[i % _READY])
            _check(answer.status_code)

        yield send


@asynccontextmanager
async def plain_aiohttp() -> AsyncIterator[Send]:
    """`aiohttp.ClientSession`."""
    import aiohttp  # noqa: PLC0415 - only this loop needs it

    url, bodies = job.url(), _bodies()
    async with aiohttp.ClientSession(headers=job.headers()) as session:

        async def send(i: int) -> None:
            async with session.post(url, data=bodies[i % _READY]) as answer:
                await answer.read()
                _check(answer.status)

        yield send


@asynccontextmanager
async def plain_pyreqwest() -> AsyncIterator[Send]:
    """`pyreqwest`, an HTTP client in Rust."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - likewise

    url, bodies = job.url(), _bodies()
    async with ClientBuilder().default_headers(job.headers()).build() as client:

        async def send(i: int) -> None:
            request = client.post(url).body_bytes(bodies[i % _READY]).build()
            answer = await request.send()
            await answer.bytes()
            _check(answer.status)

        yield send


CLIENTS: Final[dict[str, Callable[[], AbstractAsyncContextManager[Send]]]] = {
    "own": own,
    "httpx": plain_httpx,
    "aiohttp": plain_aiohttp,
    "pyreqwest": plain_pyreqwest,
}


async def loop(client: str, count: int) -> None:
    """Send so many.

    Raises:
        NotTaken: One was not taken.
    """
    left = iter(range(count))
    async with CLIENTS[client]() as send:

        async def slot() -> None:
            for i in left:
                await send(i)

        await asyncio.gather(*[slot() for _ in range(IN_FLIGHT)])


def command(client: str, count: int) -> Sequence[str]:
    """How one is started."""
    return (sys.executable, "-m", "benchmarks.bare", client, str(count))


def encoded(group: int) -> bytes:
    """The body of one send call as it goes over the wire."""
    return msgspec.json.encode(job.body(group))


def _bodies() -> list[bytes]:
    return [encoded(group) for group in range(_READY)]


def _message(body: job.Body) -> Message:
    return Message(
        application_id=body["applicationId"],
        sender=body["from"],
        to=tuple(body["to"]),
        text=body["text"],
        tag=body["tag"],
    )


def _check(status: int) -> None:
    if status != _ACCEPTED:
        raise NotTaken(str(status))


if __name__ == "__main__":
    uvloop.run(loop(sys.argv[1], int(sys.argv[2])))
    # What it used is read from outside, while it lives.
    signal.pause()
