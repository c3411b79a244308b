"""The inbox: bodies of callbacks, kept as they came until somebody applies them.

What was put and awaited is on Redis's disk. Nothing here reads a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

from dispatcher.coalesce import Coalescer
from dispatcher.errors import InboxFull, LedgerUnreachable
from dispatcher.ledger import connection
from dispatcher.ledger.keys import key

#: Bodies that may wait. At the usual 700 bytes this is 1 GB of Redis's memory; beyond,
#: the provider is told to come again, which it does for a day.
LIMIT: Final = 1_000_000
#: Bodies stored by one command at most: with bodies of 64 KB that is 16 MB.
_BATCH: Final = 256
#: Seconds for one command. Who comes while one is under way waits for two, and the
#: provider hangs up after 10.
_PATIENCE_S: Final = 3.0


class Inbox:
    """Stores bodies, many with one command.

    Args:
        url: Address of the ledger.
        limit: Bodies that may wait.
    """

    def __init__(self, url: str, *, limit: int = LIMIT) -> None:
        self._redis = connection.connect_async(url)
        self._limit = limit
        self._length = 0
        self._put = Coalescer(self._push, _BATCH)

    def put(self, body: bytes) -> Awaitable[None]:
        """Store one body; it is durable once this has been awaited.

        Raises:
            InboxFull: Too many wait already.
            LedgerError: It may or may not be stored. To store it twice is harmless.
        """
        return self._put(body)

    async def check(self) -> None:
        """Could a body be stored now?

        Raises:
            InboxFull: Too many wait already.
            LedgerError: Redis cannot be asked.
        """
        self._length = await self._ask(self._redis.llen(key("inbox")))
        if self._length >= self._limit:
            raise InboxFull("too many callbacks wait to be applied")

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    async def _push(self, bodies: Sequence[bytes]) -> list[None]:
        if self._length >= self._limit:
            # Somebody may have taken from it since it was full.
            await self.check()
        self._length = await self._ask(self._redis.rpush(key("inbox"), *bodies))
        return [None] * len(bodies)

    async def _ask(self, command: Awaitable[int]) -> int:
        try:
            with connection.faults():
                async with asyncio.timeout(_PATIENCE_S):
                    return await command
        except TimeoutError:
            raise LedgerUnreachable("Redis does not answer in time") from None
