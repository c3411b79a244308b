"""A server that follows a script and records every byte that reaches it.

A script is called once for each connection, in a thread of its own, and plays the
provider with the methods of `Peer`. It checks nothing; the tests do.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def answer(status: int = 202, body: bytes = b'{"id":"m1"}', *extra: bytes) -> bytes:
    """A complete answer with a length; `extra` are header lines."""
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *extra]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def always(*replies: bytes) -> Callable[[Peer], None]:
    """A script: answer the first requests with the replies in turn, then hang."""

    def script(peer: Peer) -> None:
        for reply in replies:
            peer.request()
            peer.say(reply)
        peer.hang()

    return script


def forever(peer: Peer) -> None:
    """A script: answer every request."""
    while peer.request():
        peer.say(answer())


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""

    def request(self, limit: int | None = None) -> bytes:
        """Read one request, or its first `limit` bytes, or what comes before EOF."""
        data = b""
        while not _complete(data) and (limit is None or len(data) < limit):
            part = self._recv(65536 if limit is None else limit - len(data))
            if not part:
                break
            data += part
        return data

    def say(self, data: bytes) -> None:
        """Send bytes; the client may be gone."""
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()

    def hang(self) -> None:
        """Stay silent until the client closes, reading on."""
        while self._recv(65536):
            pass

    def _recv(self, size: int) -> bytes:
        try:
            part = self.sock.recv(size)
        except OSError:
            return b""
        self.received += part
        return part


def _complete(data: bytes) -> bool:
    head, separator, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    return bool(separator) and len(body) >= (int(length[1]) if length else 0)


class Answerer:
    """Listens while it is entered.

    Attributes:
        peers: One for each connection, in the order they came.
    """

    def __init__(
        self,
        script: Callable[[Peer], None],
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script = script
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._threads = [threading.Thread(target=self._listen)]
        self.peers: list[Peer] = []
        name = f"[{host}]" if ":" in host else host
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://{name}:{self.port}/messages"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def refuse(self) -> None:
        """Take no further connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                thread = threading.Thread(target=self._play, args=(sock,))
                self._threads.append(thread)
                self.peers.append(Peer(sock))
                thread.start()

    def _play(self, sock: socket.socket) -> None:
        peer = next(peer for peer in self.peers if peer.sock is sock)
        try:
            if self._tls:
                peer.sock = self._tls.wrap_socket(sock, server_side=True)
            self._script(peer)
        except ssl.SSLError:
            pass  # the client did not like the certificate
        finally:
            peer.sock.close()
            sock.close()
