"""The listening socket: accepts, and can refuse connections for real.

A refused client never had a connection it could write to. Merely closing a listening
socket does not give that: connections that the kernel has completed but nobody has
accepted are reset, perhaps after their client has written a request. So the accept
loop is our own, and before it closes, newcomers are held off and those who are
already in are accepted. Linux only.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

#: Connections completed but not accepted yet; the kernel lowers it to its own limit.
_BACKLOG: Final = 4096

#: Linux's number for attaching a classic BPF filter; Python has no name for it.
_SO_ATTACH_FILTER: Final = 26

#: A filter that drops segments with the SYN flag and lets the others pass: load byte
#: 13 of the TCP header, mask the flag, take none or all of the segment. It must not
#: drop everything: a client whose last handshake segment is dropped believes itself
#: connected, writes, and is reset.
_DROP_SYN: Final = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x02),
    (0x15, 0, 1, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
    (0x06, 0, 0, 0),
)


class Listener:
    """Accepts connections on one address.

    Args:
        host: Address to bind.
        port: 0 takes a free one.
        loop: Watches the socket.
        accepted: Called with every new connection.

    Raises:
        OSError: The address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        loop: asyncio.AbstractEventLoop,
        accepted: Callable[[socket.socket], None],
    ) -> None:
        self._loop = loop
        self._accepted = accepted
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = self._bind((host, port))
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        # Bound but silent, it keeps the port ours while the door is shut. Otherwise
        # a client's own end might get the port, and the client talk to itself.
        self._spare = self._bind(self.address)
        self._reopening: asyncio.TimerHandle | None = None
        self._open()

    def refuse(self, seconds: float) -> None:
        """Refuse new connections for a while; those there are stay."""
        if self._reopening is None:
            self._shut()
            self._reopening = self._loop.call_later(seconds, self._reopen)

    def close(self) -> None:
        """Stop listening for good."""
        if self._reopening is not None:
            self._reopening.cancel()
        else:
            self._shut()
        self._spare.close()

    def _bind(self, address: tuple[str, int]) -> socket.socket:
        bound = socket.socket(self._family)
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError:
            bound.close()
            raise
        return bound

    def _open(self) -> None:
        self._socket.listen(_BACKLOG)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _shut(self) -> None:
        _drop_newcomers(self._socket)
        self._accept()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _reopen(self) -> None:
        self._reopening = None
        self._socket = self._spare
        # Only possible while nobody listens on the port.
        self._spare = self._bind(self.address)
        self._open()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            connection.setblocking(False)
            self._accepted(connection)


def _drop_newcomers(listener: socket.socket) -> None:
    """Let the kernel ignore new connections; their clients would try again in 1 s."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    program = ctypes.create_string_buffer(code)
    # struct sock_fprog: how many instructions, and where they are.
    pointer = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
