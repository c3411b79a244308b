"""Delivers callbacks over a few connections that are kept.

What is told and when it is repeated is the outbox's business. The send path never
waits for any of this: it only posts.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from typing import TYPE_CHECKING, Final

from dispatcher.simulator.line import TIMEOUT, Line
from dispatcher.simulator.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.simulator.callbacks import Callback
    from dispatcher.simulator.outbox import Answer, CallbackCounts, Errand
    from dispatcher.simulator.target import Target

#: Seconds without new connections after one could not be made, at most.
_CLOSED: Final = 0.25


class Caller:
    """Calls back until everything is acknowledged.

    Args:
        target: Whom to call; None for nobody.
        connections: At most so many at once.
        retry_seconds: The first pause before a callback is repeated.
        loop: Keeps the time.
        clock: Gives epoch seconds.

    Attributes:
        loop: As passed.
    """

    def __init__(
        self,
        target: Target | None,
        *,
        connections: int,
        retry_seconds: float,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self.loop = loop
        self._target = target
        self._most = connections
        self._outbox = Outbox(retry_seconds)
        self._closed_for = min(_CLOSED, retry_seconds)
        self._clock = clock
        self._lines: set[Line] = set()
        self._idle: list[Line] = []
        self._opening: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: Epoch seconds at which the timer ends.
        self._alarm = math.inf

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to call."""
        return self._target is not None

    @property
    def counts(self) -> CallbackCounts:
        """What became of the callbacks so far."""
        return self._outbox.counts

    def direct(self, target: Target | None) -> None:
        """Call somebody else from now on, also with what still waits."""
        self._target = target
        self._idle.clear()
        for line in self._lines:
            line.abort()
        self._pump()

    def post(self, callback: Callback, due: float) -> None:
        """Take a callback over."""
        self._outbox.put(callback, due)
        self._set_alarm(due)

    def close(self) -> None:
        """Give up all that waits."""
        self.direct(None)
        if self._timer is not None:
            self._timer.cancel()

    # -- what a line reports -------------------------------------------------------

    def opened(self, line: Line) -> None:
        """A connection is there."""
        self._lines.add(line)
        self._idle.append(line)

    def answered(self, line: Line, errand: Errand, answer: Answer) -> None:
        """A receiver answered."""
        self._outbox.back(errand, answer, self._clock())
        if line.usable:
            self._idle.append(line)
        self._pump()

    def ended(self, line: Line, errand: Errand | None) -> None:
        """A connection is gone, perhaps with a callback that got no answer."""
        self._lines.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        if errand is not None:
            self._outbox.back(errand, None, self._clock())
        self._pump()

    # -- the pump ------------------------------------------------------------------

    def _pump(self) -> None:
        """Put what is due on lines that are free; open one more if that is not all."""
        now = self._clock()
        while self._target is not None and self._idle:
            errand = self._outbox.take(now)
            if errand is None:
                break
            self._carry(self._idle.pop(), errand, self._target)
        due = self._outbox.next_due
        if due is None or self._target is None:
            return
        if due > now:
            self._set_alarm(due)
        elif self._opening is None and len(self._lines) < self._most:
            self._opening = self.loop.create_task(self._open(self._target))

    def _carry(self, line: Line, errand: Errand, target: Target) -> None:
        self.counts.requests += 1
        body = errand.callback.body()
        line.carry(errand, target.request(body, authorized=errand.authorized))

    async def _open(self, target: Target) -> None:
        pause = 0.0
        try:
            async with asyncio.timeout(TIMEOUT):
                _, line = await self.loop.create_connection(
                    lambda: Line(self),
                    target.host,
                    target.port,
                    ssl=ssl.create_default_context() if target.tls else None,
                )
        except OSError:  # A timeout is one.
            pause = self._closed_for
        else:
            if target is not self._target:
                line.abort()
        self._opening = None
        self._set_alarm(self._clock() + pause)

    def _set_alarm(self, due: float) -> None:
        """Pump at that time, unless that is to happen earlier anyway."""
        if due >= self._alarm:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._alarm = due
        wait = max(0.0, due - self._clock())
        self._timer = self.loop.call_later(wait, self._ring)

    def _ring(self) -> None:
        self._alarm = math.inf
        self._pump()
