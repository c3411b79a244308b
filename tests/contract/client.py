"""How the contract tests use the transport: on both event loops, one call at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import httpx
import uvloop

from workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

#: What makes an event loop; workers run on uvloop, an embedding program may not.
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]

#: Seconds that nothing in a passing test takes.
AGES = 10.0


def run(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    coroutine: Coroutine[object, object, T],
) -> T:
    """Run a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(coroutine)


async def post(
    transport: Transport, url: str, body: bytes = b"{}", **extensions: object
) -> httpx.Response:
    """One request; the extensions are those of the transport."""
    limits = {"deadline": AGES, **extensions}
    request = httpx.Request("POST", url, content=body, extensions=limits)
    response = await transport.handle_async_request(request)
    await response.aread()
    return response


async def once(url: str, body: bytes = b"{}", **extensions: object) -> httpx.Response:
    """One request on a transport of its own."""
    async with Transport() as transport:
        return await post(transport, url, body, **extensions)


async def turns() -> None:
    """Let the loop take notice of what has reached this machine."""
    for _ in range(10):
        await asyncio.sleep(0)
