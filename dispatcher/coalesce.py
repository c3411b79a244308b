"""Many small questions, few calls.

What comes while a call is under way goes together with the next one. No timers: an
idle caller never waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Coalescer(Generic[T, R]):
    """Gathers items for a call that answers many at once, in order.

    Args:
        call: Takes a batch, returns one answer for each item. An answer that is an
            exception is raised to the one who asked; what the call itself raises is
            raised to everyone in the batch.
        limit: Items in one batch at most.
    """

    def __init__(
        self,
        call: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        limit: int,
    ) -> None:
        self._call = call
        self._limit = limit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._pump: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        """Wait for this item's answer."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        if self._pump is None:
            # A context of its own: the first asker's log names do not fit the rest.
            self._pump = loop.create_task(self._run(), context=Context())
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
            # Without a pump nobody would answer those who still wait.
            self._pump = None
            left, self._waiting = self._waiting, []
            for _, future in left:
                future.cancel()

    async def _answer(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        futures = [future for _, future in batch]
        try:
            answers = await self._call([item for item, _ in batch])
            answered = list(zip(futures, answers, strict=True))
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            answered = [(future, error) for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        for future, answer in answered:
            _give(future, answer)


def _give(future: asyncio.Future[R], answer: R | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
