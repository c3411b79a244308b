"""The HTTP server: uvicorn, with bounds on what a stranger can make it hold.

A request must come whole within seconds, its head within 64 KB, and only so many
connections may be open. TLS is for a proxy in front.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dispatcher.garbage import look_rarely
from dispatcher.web.sparing import SparingFilter

#: Connections. Beyond, requests are answered 503. Fewer than the 1024 files that a
#: process may usually have open.
_MOST: Final = 900
#: Seconds for a request to come whole, from its first byte or the connection on.
PATIENCE_S: Final = 5.0
#: Bytes of a request before its body.
_LONGEST_HEAD: Final = 64 * 1024
#: Seconds that a connection may lie idle: longer than proxies leave theirs, so that
#: it is not closed just when one of them sends.
_IDLE_S: Final = 75
#: Seconds for requests under way when the server is to end; each takes less.
_END_S: Final = 8
_BACKLOG: Final = 2048


class Guard(HttpToolsProtocol):
    """uvicorn's own HTTP/1.1, which would wait for ever and keep any head."""

    _deadline: asyncio.TimerHandle | None = None
    _whole = False
    _in_head = True
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there, and has yet to say something."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a request, or of several."""
        super().data_received(data)
        if self._whole:
            self._wait_no_more()
        elif self._deadline is None:
            self._wait()
        if self._in_head:
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                self.transport.close()

    def on_message_begin(self) -> None:
        """The parser: the first byte of a request."""
        self._whole, self._in_head, self._head = False, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser: the body begins."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser: the last byte of a request."""
        self._whole = True
        super().on_message_complete()

    def _wait(self) -> None:
        # A connection that ends half-way is a disconnect to the application.
        self._deadline = self.loop.call_later(PATIENCE_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """Serves one application on one socket until SIGTERM or Ctrl-C.

    Args:
        app: What answers.
        ready: Called once requests are answered.
        ending: Called when it begins to end: answers without an end must find one.
    """

    def __init__(
        self,
        app: ASGIApp,
        ready: Callable[[], None],
        ending: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config(app))
        self._ready = ready
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing more, and let what is under way end."""
        if self._ending is not None:
            self._ending()
        await super().shutdown(sockets)


def config(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn is to serve: quietly, and within bounds."""
    logger = logging.getLogger("uvicorn.error")
    if not logger.filters:
        logger.addFilter(SparingFilter())
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=Guard,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        # Who is behind a proxy is of no interest here.
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_END_S,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0: any free one.

    Raises:
        OSError: The address is taken, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def serve(
    app: ASGIApp,
    listener: socket.socket,
    ready: Callable[[], None],
    ending: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are answered first."""
    look_rarely()
    with _signals_are_heard_once():
        Server(app, ready, ending).run([listener])


@contextmanager
def _signals_are_heard_once() -> Iterator[None]:
    """To end is enough: uvicorn would raise again the signal that it ended for."""
    before = {n: signal.signal(n, _nothing) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _nothing(_number: int, _frame: Any) -> None:  # noqa: ANN401 - as signal calls it
    pass
