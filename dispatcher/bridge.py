"""The way from an event loop into threads, for work that blocks and for long lists.

A list is read where it lives: a blocking iterable in the thread that loads it, an async
one in the loop. Errors and cancellation pass in both directions, and at most a few
batches of rows are between the two. It knows nothing of campaigns.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from queue import SimpleQueue
from threading import Event
from typing import Any, Final, TypeVar

from dispatcher.recipients import Recipients, Row, as_rows

T = TypeVar("T")

#: Threads for everything but lists. What lasts (verify, retry) takes one for as long.
_CALLS: Final = 16
#: Lists loaded at once; further ones wait. They have threads of their own, because an
#: upload may be slow, and nobody's `progress` should wait for it.
_LOADS: Final = 8
#: Rows handed over in one go.
_BATCH: Final = 500
#: Batches of recipients between the loop and a thread. It also bounds how many are
#: read without giving the loop a turn.
_ROOM: Final = 4


class Threads:
    """Two bounded crews of threads: for calls, and for lists."""

    def __init__(self) -> None:
        self._calls = ThreadPoolExecutor(_CALLS, "dispatcher-call")
        self._loads = ThreadPoolExecutor(_LOADS, "dispatcher-load")

    def close(self, *, wait: bool) -> None:
        """Take nothing more; `wait` for what was taken."""
        self._loads.shutdown(wait)
        self._calls.shutdown(wait)

    def call(self, work: Callable[..., T], *arguments: object) -> Awaitable[T]:
        """Have it done in a thread that sees the caller's context variables."""
        run = copy_context().run
        return asyncio.wrap_future(self._calls.submit(run, work, *arguments))

    def load(self, work: Callable[..., T], *arguments: object) -> Future[T]:
        """The same for a list."""
        return self._loads.submit(copy_context().run, work, *arguments)


async def stream(
    threads: Threads, begin: Callable[[], Iterator[T]]
) -> AsyncIterator[T]:
    """What a blocking iterator yields, fetched some hundred at a time."""
    rows = await threads.call(begin)
    while batch := await threads.call(lambda: list(islice(rows, _BATCH))):
        for row in batch:
            yield row


async def load(
    threads: Threads,
    work: Callable[[Iterable[str | Row]], T],
    recipients: Iterable[str | Row] | AsyncIterable[str | Row],
) -> T:
    """Have `work` read a list in a thread, all of it or until it breaks off.

    When this is cancelled, or an async list raises, the iteration breaks off inside
    `work` with an error of ours; this ends when `work` has, or at the second
    cancellation.
    """
    if isinstance(recipients, AsyncIterable):
        feed = _Feed()
        job = threads.load(work, feed)
        return await _finished(job, feed.stop, feed.fill(recipients))
    watched = _Watched(recipients)
    job = threads.load(lambda: work(watched.rows()))
    return await _finished(job, watched.stop)


class _Stopped(Exception):
    """Nobody waits for this load any more; it ends as one whose list broke off."""


class _Watched:
    """An iterable that is read in a thread and can be made to break off."""

    def __init__(self, recipients: Iterable[str | Row]) -> None:
        self._recipients = recipients
        self._stopped = Event()

    def stop(self) -> None:
        """Break off before the next row; without effect after the last."""
        self._stopped.set()

    def rows(self) -> Iterable[Row]:
        """The rows, as what they were: how a list is grouped must stay known."""
        if isinstance(self._recipients, Recipients):
            return _WatchedRecipients(self._recipients, self._watched)
        return self._watched(as_rows(self._recipients))

    def _watched(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._check()
            yield row
        self._check()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


class _WatchedRecipients(Recipients):
    """A list that breaks off when it is told to."""

    def __init__(
        self, rows: Recipients, watched: Callable[[Iterable[Row]], Iterator[Row]]
    ) -> None:
        self.region = rows.region
        self.grouped = rows.grouped
        self.rereadable = rows.rereadable
        self._rows = rows
        self._watch = watched

    def __iter__(self) -> Iterator[Row]:
        return self._watch(self._rows)


class _Feed:
    """Recipients read in the loop, iterated in a thread; few of them between."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_ROOM)
        self._stopped = False
        #: An empty batch is the end.
        self._batches: SimpleQueue[list[str | Row]] = SimpleQueue()

    async def fill(self, recipients: AsyncIterable[str | Row]) -> None:
        """Read them all, and close what was read if that ends early."""
        rows = aiter(recipients)
        try:
            await self._read(rows)
        finally:
            if isinstance(rows, AsyncGenerator):
                await rows.aclose()

    async def _read(self, rows: AsyncIterator[str | Row]) -> None:
        batch: list[str | Row] = []
        async for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                await self._hand_over(batch)
                batch = []
        if batch:
            await self._hand_over(batch)
        self._batches.put([])

    async def _hand_over(self, batch: list[str | Row]) -> None:
        await self._room.acquire()
        self._batches.put(batch)

    def stop(self) -> None:
        """Break off the iteration; without effect after its end."""
        self._stopped = True
        self._batches.put([])

    def __iter__(self) -> Iterator[str | Row]:
        """For the thread."""
        while batch := self._batches.get():
            self._loop.call_soon_threadsafe(self._room.release)
            yield from batch
        if self._stopped:
            raise _Stopped


async def _finished(
    load: Future[T],
    stop: Callable[[], None],
    feeding: Coroutine[None, None, None] | None = None,
) -> T:
    """Wait for a load, and for what feeds it; if one fails the other is ended, too."""
    loading = asyncio.wrap_future(load)
    loading.add_done_callback(_note)
    under_way: set[asyncio.Future[Any]] = {loading}
    try:
        if feeding is not None:
            feeder = asyncio.create_task(feeding)
            under_way.add(feeder)
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            if feeder.done():
                feeder.result()
        # Not awaited itself: a cancellation would part it from its thread.
        await asyncio.wait({loading})
        return loading.result()
    finally:
        stop()
        load.cancel()  # no effect unless it still waits for a thread
        for other in under_way - {loading}:
            other.cancel()
        await asyncio.wait(under_way)


def _note(loading: asyncio.Future[T]) -> None:
    """Look at its error, which nobody else may do after a second cancellation."""
    if not loading.cancelled():
        loading.exception()
