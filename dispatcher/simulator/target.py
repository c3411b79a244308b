"""Who is called back: a URL, and credentials for when they are asked for."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from dispatcher.errors import InvalidInput

_PORTS: Final = {"http": 80, "https": 443}

_NO_URL: Final = "the callback URL must be an http or https URL"


@dataclass(frozen=True, slots=True)
class Target:
    """Where callbacks go.

    Attributes:
        host: Of the URL.
        port: Of the URL.
        tls: Whether the connection is encrypted.
        head: A request up to the value of its `Content-Length`.
        authorized_head: The same with credentials; None if there are none.
    """

    host: str
    port: int
    tls: bool
    head: bytes
    authorized_head: bytes | None = field(repr=False)

    @classmethod
    def of(
        cls, url: str | None, username: str | None, password: str | None
    ) -> Target | None:
        """Read a URL; None stays None.

        Raises:
            InvalidInput: It is no http or https URL, or only one of username and
                password is given.
        """
        if (username is None) != (password is None):
            raise InvalidInput("callbacks need username and password, or neither")
        if url is None:
            return None
        parts, port = _read(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = _head(path, parts.netloc.rpartition("@")[2])
        authorized = None
        if username is not None:
            user = base64.b64encode(f"{username}:{password}".encode()).decode()
            authorized = f"{head}Authorization: Basic {user}\r\n"
        return cls(
            host=parts.hostname or "",
            port=port,
            tls=parts.scheme == "https",
            head=_ended(head),
            authorized_head=None if authorized is None else _ended(authorized),
        )

    def request(self, body: bytes, *, authorized: bool) -> bytes:
        """A whole request; without credentials unless they are wanted and there."""
        head = (authorized and self.authorized_head) or self.head
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)


def _read(url: str) -> tuple[SplitResult, int]:
    """The parts of a URL that can be called, and its port."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise InvalidInput(_NO_URL) from None
    if not parts.hostname or not url.isascii() or url.split() != [url]:
        raise InvalidInput(_NO_URL)
    return parts, port


def _head(path: str, host: str) -> str:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: BandwidthAPI/v2\r\n"
        "Accept: */*\r\nContent-Type: application/json; charset=utf-8\r\n"
    )


def _ended(head: str) -> bytes:
    return f"{head}Content-Length: ".encode("ascii")
