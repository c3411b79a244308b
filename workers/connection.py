"""One HTTP/1.1 connection: a request out in one write, its answer back.

Its errors draw the line that decides whether a send may be tried again. Until
the write only `NotWritten` is raised: no byte has left this process. From the
write on only `httpx.ReadTimeout`, `ReadError`, `WriteError` and
`RemoteProtocolError` are: the peer may have taken the request. It never retries,
never reconnects, and never puts a URL, header or body into an error.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, cast

import httpx

from workers.answer_reader import AnswerReader

if TYPE_CHECKING:
    from collections.abc import Callable

#: Unlike the monotonic clock, boot time goes on while the machine is suspended, and
#: so do permits and the peer's idle timer. Only Linux has it.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds since boot, suspension included: the clock that permits expire by."""
    return time.clock_gettime(_CLOCK)


class NotWritten(httpx.TransportError):
    """No byte of the request has left this process; it may be sent again."""


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time.

    Args:
        clock: Seconds, as `boottime`; permits are measured by it.
        lost: Called once, when the connection is gone.

    Attributes:
        usable: It may take a request now: open, silent, nothing under way.
        idle_since: Time of `clock` at which the pool got it back; the pool's.
    """

    __slots__ = (
        "_clock",
        "_loop",
        "_lost",
        "_reader",
        "_transport",
        "_waiter",
        "idle_since",
        "usable",
    )

    def __init__(
        self, clock: Callable[[], float], lost: Callable[[Connection], None]
    ) -> None:
        self._clock = clock
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._reader = AnswerReader()
        self._waiter: asyncio.Future[httpx.Response | httpx.TransportError] | None
        self._waiter = None
        self.usable = False
        self.idle_since = 0.0

    @property
    def idle_limit(self) -> float:
        """Seconds it may lie idle before the peer closes it, as the peer said."""
        return self._reader.idle_limit

    async def exchange(
        self, wire: bytes, *, deadline: float, permit_until: float | None
    ) -> httpx.Response:
        """Write a request and read its answer.

        Args:
            wire: The whole request, head and body.
            deadline: Seconds from the write to the complete answer.
            permit_until: Time of `clock` after which nothing may be written.

        Raises:
            NotWritten: The permit has run out or the connection has ended.
            httpx.ReadTimeout: No complete answer within the deadline.
            httpx.ReadError: The connection ended without a complete answer.
            httpx.WriteError: The write failed; a part may have left.
            httpx.RemoteProtocolError: The answer is too long or not HTTP.
        """
        # From the check to the write nothing else may run: there is no await.
        self._check_may_write(permit_until)
        self._write(wire)
        return await self._answered(deadline)

    def close(self) -> None:
        """Give the connection up at once; whatever is unsent is dropped."""
        self.usable = False
        self._transport.abort()

    def _check_may_write(self, permit_until: float | None) -> None:
        if not self.usable or self._transport.is_closing():
            raise NotWritten("the connection ended before the write")
        if permit_until is not None and self._clock() > permit_until:
            raise NotWritten("the permit ran out before the write")

    def _write(self, wire: bytes) -> None:
        self.usable = False
        try:
            self._transport.write(wire)
        except Exception as error:
            self.close()
            raise httpx.WriteError(f"write failed: {type(error).__name__}") from error

    async def _answered(self, deadline: float) -> httpx.Response:
        waiter: asyncio.Future[httpx.Response | httpx.TransportError]
        self._waiter = waiter = self._loop.create_future()
        timer = self._loop.call_later(deadline, self._expire)
        try:
            result = await waiter
        except BaseException:
            # Cancelled: an answer that comes later would be taken for the next one.
            self.close()
            raise
        finally:
            self._waiter = None
            timer.cancel()
        if isinstance(result, httpx.TransportError):
            raise result
        return result

    def _expire(self) -> None:
        self._fail(httpx.ReadTimeout("no complete answer within the deadline"))

    def _fail(self, error: httpx.TransportError) -> None:
        self.close()
        self._settle(error)

    def _settle(self, result: httpx.Response | httpx.TransportError) -> None:
        # An error goes as a value: as the exception of a future that nobody awaits
        # any more it would be logged.
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(result)

    def _waiting(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _finish(self, answer: httpx.Response) -> None:
        # A peer that answered before it had the whole request may never read it.
        if self._reader.keep_alive and not self._transport.get_write_buffer_size():
            self.usable = True
        else:
            self.close()
        self._settle(answer)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start idle and usable."""
        self._transport = cast("asyncio.Transport", transport)
        # uvloop holds a write back to the end of the loop's turn unless it passes the
        # high-water mark; a permit is checked for a write that is made now.
        self._transport.set_write_buffer_limits(high=0)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Read on; bytes that nobody waits for end the connection."""
        if not self._waiting():
            self.close()
            return
        try:
            answer = self._reader.feed(data)
        except httpx.RemoteProtocolError as error:
            self._fail(error)
        else:
            if answer is not None:
                self._finish(answer)

    def eof_received(self) -> None:
        """Take it as the end in both directions."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for an answer, and the owner."""
        self._end(exc)
        self._lost(self)

    def _end(self, exc: Exception | None) -> None:
        if not self._waiting():
            self.close()
        elif exc is not None:
            self._fail(httpx.ReadError(f"connection lost: {type(exc).__name__}"))
        else:
            self._end_answer()

    def _end_answer(self) -> None:
        try:
            answer = self._reader.end()
        except httpx.ReadError as error:
            self._fail(error)
        else:
            self._finish(answer)
