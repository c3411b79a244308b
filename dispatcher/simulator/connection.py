"""One client's connection: bytes in, replies out, in the manner each asks for.

Knows sockets and HTTP, nothing of messages. The requests of a connection are answered
one after the other, as HTTP/1.1 demands.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, cast

from msgspec.structs import replace

from dispatcher.simulator.exchange import Manner, Reply, Request
from dispatcher.simulator.http1 import RequestReader, Unreadable, encode

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds in which a client that is still writing can read why it is not heard.
#: Closing at once would reset the connection and destroy the answer.
_LINGER: Final = 2.0
#: SO_LINGER: on, for no time. Closing then sends a reset.
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class House(Protocol):
    """What a connection needs from the server it belongs to.

    Attributes:
        loop: Keeps the time.
        connections: Those open; each enters and removes itself.
        hang_seconds: After so long a silent connection is closed.
    """

    loop: asyncio.AbstractEventLoop
    connections: set[Connection]
    hang_seconds: float

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        ...

    def refuse(self) -> None:
        """Refuse new connections for a moment."""
        ...


class Connection(asyncio.Protocol):
    """Serves one client until either side ends it.

    Args:
        house: Gives the answers.
        accepted: The socket itself, for what a transport cannot do.
    """

    def __init__(self, house: House, accepted: socket.socket) -> None:
        self._house = house
        self._socket = accepted
        self._ready: deque[tuple[Request, bool]] = deque()
        self._objection: Reply | None = None
        self._busy = False
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._manners: dict[Manner, Callable[[Reply], None]] = {
            Manner.REFUSE_NEXT: self._refuse_next,
            Manner.HALF: self._half,
            Manner.CLOSE: self._close,
            Manner.RESET: self._reset,
            Manner.SILENCE: self._silence,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to serve."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._reader = RequestReader(str(peer[0]) if peer else "", self._ready)
        self._house.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget everything: nobody is left to answer."""
        self._house.connections.discard(self)
        self._busy = True
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on and answer what is complete."""
        if self._objection is not None:
            return
        try:
            self._reader.feed(data)
        except Unreadable as error:
            self._objection = error.reply
        self._serve()

    def abort(self) -> None:
        """End the connection now."""
        self._transport.abort()

    def _serve(self) -> None:
        """Answer what can be answered now, and keep what comes later out."""
        while self._ready and not self._busy:
            request, keep = self._ready.popleft()
            self._busy = True
            self._begin(request, keep=keep)
        if self._objection is not None and not self._busy:
            self._busy = True
            self._object(self._objection)
        self._pause(wanted=bool(self._ready))

    def _pause(self, *, wanted: bool) -> None:
        """Bound what a client can queue here by sending on without an answer."""
        if wanted == self._paused or self._transport.is_closing():
            return
        self._paused = wanted
        if wanted:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _begin(self, request: Request, *, keep: bool) -> None:
        reply = self._house.answer(request)
        if request.method == "HEAD":
            reply = replace(reply, body=b"")
        if reply.delay:
            loop = self._house.loop
            self._timer = loop.call_later(
                reply.delay, lambda: self._act_late(reply, keep=keep)
            )
        else:
            self._act(reply, keep=keep)

    def _act_late(self, reply: Reply, *, keep: bool) -> None:
        self._act(reply, keep=keep)
        self._serve()

    def _act(self, reply: Reply, *, keep: bool) -> None:
        if reply.manner is not Manner.ANSWER:
            self._manners[reply.manner](reply)
            return
        self._transport.write(encode(reply, keep=keep))
        if keep:
            self._busy = False
        else:
            self._transport.close()

    def _refuse_next(self, reply: Reply) -> None:
        # First the door, then the answer: its reader must find the door shut.
        self._house.refuse()
        self._transport.write(encode(reply, keep=False))
        self._transport.close()

    def _half(self, reply: Reply) -> None:
        answer = encode(reply, keep=True)
        self._transport.write(answer[: len(answer) // 2])
        self._transport.close()

    def _close(self, _: Reply) -> None:
        self._transport.close()

    def _reset(self, _: Reply) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _silence(self, _: Reply) -> None:
        loop = self._house.loop
        self._timer = loop.call_later(self._house.hang_seconds, self._transport.abort)

    def _object(self, reply: Reply) -> None:
        """Say why nothing more is read, and leave the client time to hear it."""
        self._transport.write(encode(reply, keep=False))
        self._transport.write_eof()
        self._timer = self._house.loop.call_later(_LINGER, self._transport.abort)
