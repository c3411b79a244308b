"""An httpx transport that knows whether a byte of a request has left.

HTTP/1.1 with keep-alive, a pool for each origin, TLS with verified names. Before
the write it raises only `httpx.ConnectError`, `ConnectTimeout`, `PoolTimeout` and
`NotWritten`: nothing has left, the request may be sent again. After the write it
raises only `httpx.ReadTimeout`, `ReadError`, `WriteError` and
`RemoteProtocolError`: the peer may have taken it. There is no third kind. It never
retries, follows redirects, uses a proxy or streams a body.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import TYPE_CHECKING, Final

import httpx

from workers.connection import Connection, NotWritten, boottime
from workers.connection_pool import ConnectionPool
from workers.wire import Origin, ready

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds an idle connection is kept. Must be shorter than the provider keeps it: a
#: request that crosses the provider's close on the way has an unknown outcome.
KEEPALIVE_S: Final = 15.0

#: Seconds, when a request names none: every network call ends.
_CONNECT_S: Final = 5.0
_POOL_S: Final = 5.0
_ANSWER_S: Final = 15.0


class Transport(httpx.AsyncBaseTransport):
    """Sends ready-made requests; use it alone or below `httpx.AsyncClient`.

    Request extensions it knows, all optional:

    - `timeout`: httpx's dictionary; `pool` and `connect` in seconds, and `read` when
      there is no `deadline`.
    - `deadline`: seconds from the write to the complete answer.
    - `before_write`: `async () -> float | None`, awaited once a connection is in
      hand. It returns the time of `clock` after which nothing may be written. What
      it raises passes through unchanged, and nothing is written.

    Args:
        size: Connections to one origin at most; further requests queue, first come
            first served.
        keepalive: Seconds an idle connection may be used again.
        ssl_context: Instead of Python's default one, which verifies names; it is set
            to agree on HTTP/1.1.
        clock: Seconds, as `workers.connection.boottime`.
    """

    def __init__(
        self,
        *,
        size: int = 64,
        keepalive: float = KEEPALIVE_S,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._new_pool = functools.partial(ConnectionPool, size, keepalive, clock)
        self._given_context = ssl_context
        self._clock = clock
        self._pools: dict[Origin, ConnectionPool] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; return its answer, complete but not yet decoded.

        Raises:
            NotWritten: Not a request this transport can carry, or its permit or its
                connection ended before the write.
            httpx.ConnectError: No connection could be made.
            httpx.ConnectTimeout: Nor in time.
            httpx.PoolTimeout: No connection became free in time.
            httpx.ReadTimeout: Written; no complete answer within the deadline.
            httpx.ReadError: Written; the connection ended without a complete answer.
            httpx.WriteError: The write failed; a part may have left.
            httpx.RemoteProtocolError: Written; the answer is too long or not HTTP.
        """
        origin, wire = ready(request)
        extensions = request.extensions
        timeout = extensions.get("timeout", {})
        pool, connection = await self._acquire(origin, timeout)
        try:
            before_write = extensions.get("before_write")
            until = await before_write() if before_write else None
            deadline = extensions.get("deadline") or timeout.get("read") or _ANSWER_S
            return await connection.exchange(
                wire, deadline=deadline, permit_until=until
            )
        finally:
            pool.release(connection)

    async def aclose(self) -> None:
        """Close idle connections now, lent ones when their exchange ends."""
        self._closed = True
        for pool in self._pools.values():
            pool.close()
        # The loop lets go of the sockets in its next turn.
        await asyncio.sleep(0)

    async def _acquire(
        self, origin: Origin, limits: dict[str, float | None]
    ) -> tuple[ConnectionPool, Connection]:
        if self._closed:
            raise NotWritten("the transport is closed")
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new_pool()
        connect = functools.partial(
            self._connect, origin, limits.get("connect", _CONNECT_S)
        )
        return pool, await pool.acquire(connect, limits.get("pool", _POOL_S))

    async def _connect(
        self,
        origin: Origin,
        patience: float | None,
        lost: Callable[[Connection], None],
    ) -> Connection:
        try:
            async with asyncio.timeout(patience):
                return await self._opened(origin, lost)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection to {origin.host}") from error
        # ValueError: a host name that cannot be encoded.
        except (OSError, ValueError) as error:
            raise httpx.ConnectError(f"no connection to {origin.host}") from error

    async def _opened(
        self, origin: Origin, lost: Callable[[Connection], None]
    ) -> Connection:
        secure = origin.scheme == "https"
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._clock, lost),
            origin.host,
            origin.port,
            ssl=self._ssl_context if secure else None,
            server_hostname=origin.host if secure else None,
        )
        return connection

    @functools.cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        context = self._given_context or ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context
