"""The listening socket: accepts, and can refuse connections for real.

A refused client never had a connection it could write to. Closing a listening socket
does not give that: connections that are complete but not accepted, and handshakes on
their way, are reset, perhaps after their client has written a request. So the socket
is first made deaf: bound to a network device that does not exist, it gets no new
handshakes (the kernel refuses them), but those under way end in it, and are served.
It is closed when the pause is over, long after the last of them. Linux 5.7 or later.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

#: Connections completed but not accepted yet; the kernel lowers it to its own limit.
_BACKLOG: Final = 4096

#: Linux's number for binding to a device by its index; Python has no name for it.
_SO_BINDTOIFINDEX: Final = 62
#: An index no device has. The kernel does not look whether there is one.
_NO_DEVICE: Final = 0x7FFFFFFF


class Listener:
    """Accepts connections on one address.

    Args:
        host: Address to bind.
        port: 0 takes a free one.
        loop: Watches the socket.
        accepted: Called with every new connection.

    Attributes:
        address: Host and port bound.

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
        # Bound but silent, it keeps the port ours between two listening sockets.
        self._spare = self._bind(self.address)
        self._reopening: asyncio.TimerHandle | None = None
        self._listen()

    def refuse(self, seconds: float) -> None:
        """Refuse new connections for a while; those there are stay."""
        if self._reopening is None:
            # Cannot be undone without privileges, hence the spare.
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_BINDTOIFINDEX, _NO_DEVICE)
            self._reopening = self._loop.call_later(seconds, self._reopen)

    def close(self) -> None:
        """Stop listening for good."""
        if self._reopening is not None:
            self._reopening.cancel()
        self._close_current()
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

    def _listen(self) -> None:
        self._socket.listen(_BACKLOG)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _reopen(self) -> None:
        self._reopening = None
        self._accept()
        self._close_current()
        self._socket = self._spare
        # Only possible while nobody listens on the port.
        self._spare = self._bind(self.address)
        self._listen()

    def _close_current(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            self._accepted(connection)
