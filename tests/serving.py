"""The callback receiver for tests: on a real port, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from dispatcher.doors import Pass
from dispatcher.ledger.inbox import LIMIT, Inbox
from dispatcher.web.app import make_site
from dispatcher.web.server import Server, listen


@contextmanager
def serving(
    redis_url: str, asked: Pass | None = None, *, limit: int = LIMIT
) -> Iterator[str]:
    """The whole site; gives its base URL."""
    with served(make_site(Inbox(redis_url, limit=limit), asked)) as url:
        yield url


@contextmanager
def served(app: ASGIApp, ending: Callable[[], None] | None = None) -> Iterator[str]:
    """Any application on our server."""
    ready = threading.Event()
    listener: socket.socket = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = Server(app, ready.set, ending)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
