"""One connection to a receiver of callbacks: a request out, an answer in.

Knows sockets and HTTP, nothing of messages and nothing of repeating.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, cast

import httptools

from dispatcher.simulator.outbox import Answer, Errand

#: Seconds a receiver has to answer; the provider's own figure.
TIMEOUT: Final = 10.0


class Office(Protocol):
    """What a line needs from the caller it belongs to.

    Attributes:
        loop: Keeps the time.
    """

    loop: asyncio.AbstractEventLoop

    def opened(self, line: Line) -> None:
        """The connection is there."""
        ...

    def answered(self, line: Line, errand: Errand, answer: Answer) -> None:
        """A receiver answered."""
        ...

    def ended(self, line: Line, errand: Errand | None) -> None:
        """The connection is gone, perhaps with an errand that got no answer."""
        ...


class Line(asyncio.Protocol):
    """Carries one errand after the other.

    Attributes:
        usable: Whether it can carry another errand once it is free.
    """

    def __init__(self, office: Office) -> None:
        self.usable = True
        self._office = office
        self._errand: Errand | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._challenge = self._keep = False
        self._answer: Answer | None = None
        self._parser = httptools.HttpResponseParser(self)

    def carry(self, errand: Errand, request: bytes) -> None:
        """Send a request; the office hears of the answer, or of the end."""
        self._errand = errand
        self._challenge = False
        self._answer = None
        self._transport.write(request)
        self._timer = self._office.loop.call_later(TIMEOUT, self.abort)

    def abort(self) -> None:
        """End the connection now."""
        self.usable = False
        self._transport.abort()

    # -- called by the loop --------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report for work."""
        self._transport = cast("asyncio.Transport", transport)
        self._office.opened(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Report the end."""
        self.usable = False
        self._office.ended(self, self._free())

    def data_received(self, data: bytes) -> None:
        """Read on and report the answer once it is complete."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort()
            return
        if self._answer is not None:
            self._report(self._answer)

    def _report(self, answer: Answer) -> None:
        if not self._keep:
            self.usable = False
            self._transport.close()
        errand = self._free()
        if errand is None:
            # Bytes that nobody asked for.
            self.abort()
        else:
            self._office.answered(self, errand, answer)

    # -- called by the parser ------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Notice a challenge."""
        if name.lower() == b"www-authenticate":
            self._challenge = value[:6].lower() == b"basic "

    def on_message_complete(self) -> None:
        """Keep the answer: the parser itself forgets it after this call."""
        self._answer = Answer(self._parser.get_status_code(), self._challenge)
        self._keep = self._parser.should_keep_alive()

    def _free(self) -> Errand | None:
        if self._timer is not None:
            self._timer.cancel()
        errand, self._errand = self._errand, None
        return errand
