"""The connections to one origin: how many there may be, and who gets the next one.

It opens, lends and drops connections. It never writes to one and never retries to
open one: whoever asked gets the error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import httpx

from workers.connection import NotWritten

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workers.connection import Connection

    #: Opens a connection; the callback is told when that connection is lost.
    Connect = Callable[[Callable[[Connection], None]], Awaitable[Connection]]


class ConnectionPool:
    """Lends connections; the newest idle one first, so that surplus ones age.

    Nobody waits while a connection is idle: one that comes back goes to the first
    in the queue, and so does the room left by one that ended.

    Args:
        size: Connections at most, those being opened included.
        keepalive: Seconds an idle connection may be lent again.
        clock: Seconds, as `workers.connection.boottime`.
    """

    def __init__(self, size: int, keepalive: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._keepalive = keepalive
        self._clock = clock
        self._idle: list[Connection] = []
        self._taken = 0
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    async def acquire(self, connect: Connect, patience: float | None) -> Connection:
        """Lend a usable connection; give it back with `release`.

        Args:
            connect: Opens a new one if none is idle and there is room.
            patience: Seconds to wait while all are lent; None: for ever.

        Raises:
            httpx.PoolTimeout: None came back in time.
            NotWritten: The pool is closed.
        """
        if self._closed:
            raise NotWritten("the transport is closed")
        connection = self._newest_idle()
        if connection is None and not self._take_room():
            connection = await self._wait(patience)
        if connection is None or not connection.usable:
            connection = await self._open(connect)
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back, whatever has become of it."""
        if self._closed or not connection.usable:
            connection.close()
            self._leave_room()
        elif heir := self._first_in_queue():
            heir.set_result(connection)
        else:
            connection.idle_since = self._clock()
            self._idle.append(connection)

    def close(self) -> None:
        """Drop idle connections, turn the queue away; lent ones end on release."""
        self._closed = True
        while self._idle:
            self._drop(self._idle.pop())
        while heir := self._first_in_queue():
            heir.set_exception(NotWritten("the transport is closed"))

    def _newest_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if self._is_fresh(connection):
                return connection
            self._drop(connection)
        return None

    def _is_fresh(self, connection: Connection) -> bool:
        limit = min(self._keepalive, connection.idle_limit)
        return connection.usable and self._clock() - connection.idle_since < limit

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._taken -= 1

    def _forget(self, connection: Connection) -> None:
        """Make room when an idle connection has ended; a lent one comes back."""
        if connection in self._idle:
            self._idle.remove(connection)
            self._taken -= 1

    async def _open(self, connect: Connect) -> Connection:
        try:
            return await connect(self._forget)
        except BaseException:
            self._leave_room()
            raise

    def _take_room(self) -> bool:
        if self._taken >= self._size:
            return False
        self._taken += 1
        return True

    def _leave_room(self) -> None:
        heir = self._first_in_queue()
        if heir:
            heir.set_result(None)
        else:
            self._taken -= 1

    def _first_in_queue(self) -> asyncio.Future[Connection | None] | None:
        while self._queue:
            heir = self._queue.popleft()
            if not heir.done():
                return heir
        return None

    async def _wait(self, patience: float | None) -> Connection | None:
        turn: asyncio.Future[Connection | None]
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(patience):
                return await turn
        except TimeoutError:
            self._pass_on(turn)
            raise httpx.PoolTimeout("no connection became free in time") from None
        except asyncio.CancelledError:
            self._pass_on(turn)
            raise

    def _pass_on(self, turn: asyncio.Future[Connection | None]) -> None:
        """Do not lose what was handed over in the moment of giving up."""
        if turn.cancelled() or not turn.done() or turn.exception():
            return
        connection = turn.result()
        if connection is None:
            self._leave_room()
        else:
            self.release(connection)
