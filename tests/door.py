"""A door between the workers and the simulated provider, which a test can shut.

It forwards bytes and understands none. Unlike a simulator that is killed, what is
behind it keeps its record and can still be asked what it took. What comes in vain
while nobody gets through is the door's own record.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

#: SO_LINGER: on, for no time. Closing then sends a reset.
_NO_LINGER: Final = struct.pack("ii", 1, 0)
_PIECE: Final = 1 << 16


class _Manner(Enum):
    OPEN = auto()
    RESETTING = auto()
    DEAF = auto()


@dataclass(frozen=True)
class InVain:
    """What came while nobody got through: a connection, or bytes on one.

    Attributes:
        at: Seconds since 1970.
    """

    at: float
    content: bytes = b""


class Door:
    """Forwards to a base URL; open until told otherwise. A context manager.

    Args:
        behind: The base URL of the provider.
        tls: What a server shows that speaks https; None for http.
        delay: Seconds that what goes to the provider is on its way.

    Attributes:
        url: The base URL in front of it.
        in_vain: What came while it reset connections or was deaf.
    """

    def __init__(
        self, behind: str, tls: ssl.SSLContext | None = None, *, delay: float = 0.0
    ) -> None:
        target = urlsplit(behind)
        self._target = (target.hostname, target.port)
        self._path = target.path
        self._tls = tls
        self._delay = delay
        self._manner = _Manner.OPEN
        self.in_vain: list[InVain] = []
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://localhost:{self._port}{self._path}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, tls: ssl.SSLContext | None = None) -> None:
        """Let everybody through, under this certificate from now on if one is given."""
        self._tls = tls or self._tls
        self._call(self._open(_Manner.OPEN))

    def reset(self) -> None:
        """Accept connections and reset them at once, those there are too."""
        self._call(self._open(_Manner.RESETTING))

    def deafen(self) -> None:
        """Take everything and answer nothing; those there are are reset."""
        self._call(self._open(_Manner.DEAF))

    def shut(self) -> None:
        """Refuse connections; those there are are reset."""
        self._call(self._shut())

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _open(self, manner: _Manner) -> None:
        await self._shut()
        self._manner = manner
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, ssl=self._tls, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)
        await asyncio.sleep(0)

    async def _end(self) -> None:
        await self._shut()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=5)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._manner is _Manner.RESETTING:
            self.in_vain.append(InVain(time.time()))
            _reset(writer)
        elif self._manner is _Manner.DEAF:
            await self._swallow(reader, writer)
        else:
            await self._forward(reader, writer)

    async def _swallow(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                self.in_vain.append(InVain(time.time(), piece))
        self._writers.discard(writer)
        writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        behind = await asyncio.open_connection(*self._target)
        self._writers |= {writer, behind[1]}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, behind[1], self._delay))
                both.create_task(_pump(behind[0], writer))
        finally:
            self._writers -= {writer, behind[1]}
            writer.close()
            behind[1].close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float = 0.0
) -> None:
    """Carry bytes until either side ends."""
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            if delay:
                await asyncio.sleep(delay)
            writer.write(piece)
            await writer.drain()
    writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
