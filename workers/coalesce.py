"""Many small questions, few calls: what comes while a call is under way goes
together with the next one. No timers: an idle caller never waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Coalescer(Generic[T, R]):
    """Gathers items for a call that answers many at once, in order.

    Args:
        call: Takes a batch, returns one answer for each item. What it raises is
            raised to everyone in the batch.
        limit: Items in one batch at most.
    """

    def __init__(
        self, call: Callable[[Sequence[T]], Awaitable[Sequence[R]]], limit: int
    ) -> None:
        self._call = call
        self._limit = limit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._pump: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        """Wait for this item's answer."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                # Let everything that is ready now come along.
                await asyncio.sleep(0)
                batch = self._waiting[: self._limit]
                del self._waiting[: self._limit]
                await self._answer(batch)
        finally:
            self._pump = None

    async def _answer(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            answers = await self._call([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
