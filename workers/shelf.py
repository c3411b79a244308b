"""What was read from the ledger and never changes there, kept for the next who asks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Generic, TypeVar

from dispatcher.campaign import Campaign
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.codec import Members, chunk_of

K = TypeVar("K")
V = TypeVar("V")

#: Chunks and campaigns kept in memory; a chunk is some 100 KB of numbers.
KEPT_CHUNKS: Final = 32
KEPT_CAMPAIGNS: Final = 256


class _Kept(Generic[K, V]):
    """The most recently read values; many who want one read it once.

    Args:
        read: Reads one.
        limit: How many are kept.
    """

    def __init__(self, read: Callable[[K], Coroutine[Any, Any, V]], limit: int) -> None:
        self._read = read
        self._limit = limit
        self._tasks: OrderedDict[K, asyncio.Task[V]] = OrderedDict()

    async def get(self, name: K) -> V:
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = asyncio.create_task(self._read(name))
            task.add_done_callback(partial(self._drop_failure, name))
            if len(self._tasks) > self._limit:
                self._tasks.popitem(last=False)
        if task.done():
            return task.result()
        # One who is cancelled must not take the value from the others.
        return await asyncio.shield(task)

    def _drop_failure(self, name: K, task: asyncio.Task[V]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._tasks.get(name) is task:
            del self._tasks[name]


class Shelf:
    """Campaigns and chunks as read from the ledger.

    Args:
        chunks: How many chunks are kept.
    """

    def __init__(self, ledger: AsyncLedger, chunks: int = KEPT_CHUNKS) -> None:
        self._ledger = ledger
        self._chunks = _Kept(self._read_chunk, chunks)
        self._campaigns = _Kept(self._read_campaign, KEPT_CAMPAIGNS)

    async def members(self, load: str, group: int) -> Members:
        """Who is in a group.

        Raises:
            LedgerError: Its chunk is not there.
            IndexError: The chunk has no such group.
        """
        chunk, place = chunk_of(group)
        return (await self._chunks.get((load, chunk)))[place]

    async def campaign(self, id: str, load: str) -> Campaign:  # noqa: A002 - the public word for it
        """The campaign that has this load.

        Raises:
            LedgerError: It is not there.
        """
        return await self._campaigns.get((id, load))

    async def _read_chunk(self, name: tuple[str, int]) -> list[Members]:
        return await self._ledger.chunk(*name)

    async def _read_campaign(self, name: tuple[str, str]) -> Campaign:
        return Campaign.from_json(await self._ledger.spec(name[0]))
