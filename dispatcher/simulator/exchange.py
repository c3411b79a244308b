"""What the socket side and the provider's logic say to each other.

`Request` goes in, `Reply` comes out. Nothing here knows sockets or messages.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec


class Manner(Enum):
    """How a reply reaches the client, or does not."""

    ANSWER = auto()
    #: The whole answer, then closed, and new connections refused for a moment.
    REFUSE_NEXT = auto()
    #: Half of the answer's bytes, then closed.
    HALF = auto()
    #: No byte; an orderly close (FIN).
    CLOSE = auto()
    #: No byte; a reset (RST).
    RESET = auto()
    #: No byte, and the connection stays open until the client goes.
    SILENCE = auto()

    @property
    def answers(self) -> bool:
        """Whether the client gets at least a status line."""
        return self in _ANSWERING


_ANSWERING = frozenset({Manner.ANSWER, Manner.REFUSE_NEXT, Manner.HALF})

JSON = "application/json;charset=utf-8"
HTML = "text/html"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One complete HTTP request.

    Attributes:
        method: In capitals.
        target: Path and query as sent, still percent-encoded.
        headers: Names in lower case; of a doubled header the last.
        body: Without transfer coding.
        peer: The client's address.
    """

    method: str
    target: str
    headers: dict[bytes, bytes] = {}
    body: bytes = b""
    peer: str = ""

    def header(self, name: bytes) -> str:
        """The value of a header (name in lower case), or an empty string."""
        return self.headers.get(name, b"").decode("latin-1")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer and the manner in which it is given.

    Attributes:
        status: HTTP status; what would have been answered if the manner is mute.
        body: Sent as it is.
        content_type: Value of the header of that name.
        headers: Further headers.
        manner: How much of it the client sees.
        delay: Seconds to wait before anything is done.
    """

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    manner: Manner = Manner.ANSWER
    delay: float = 0.0

    @property
    def status_seen(self) -> int | None:
        """The status the client can see; None if it gets no answer."""
        return self.status if self.manner.answers else None
