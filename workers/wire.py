"""What a request is on the wire: its origin and its bytes.

Requests are httpx's. Those that differ in their body only, thousands of sends, share a
`Template`: everything else of them is checked and written down once. Nothing here
does I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from workers.connection import NotWritten

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final = {"http": 80, "https": 443}

#: The length of the body is written by us: two lengths that differ would put every
#: later exchange of the connection out of step.
_FRAMING: Final = (b"content-length", b"transfer-encoding")


class Origin(NamedTuple):
    """Whom a connection leads to."""

    scheme: str
    host: str
    port: int


class Template:
    """Requests of one method, URL and set of headers, ready but for their bodies.

    Raises:
        NotWritten: They are not requests that can be carried.
    """

    def __init__(self, method: str, url: httpx.URL, headers: httpx.Headers) -> None:
        request = httpx.Request(method, url, headers=headers)
        for name in _FRAMING:
            request.headers.pop(name.decode(), None)
        self.method, self.url, self.headers = method, url, request.headers
        self.origin = _origin(request)
        self.head = _head(request)

    def fill(self, content: bytes, extensions: Mapping[str, object]) -> Filled:
        """The request with this body."""
        return Filled(self, content, extensions)


class Filled(httpx.Request):
    """A request made from a template. Its headers are shared: leave them as they are.

    Attributes:
        origin: Where it goes to.
        wire: Its bytes.
    """

    def __init__(
        self, template: Template, content: bytes, extensions: Mapping[str, object]
    ) -> None:
        # Not `super().__init__`: it reads URL and headers anew, which costs more than
        # to send them.
        self.method = template.method
        self.url = template.url
        self.headers = template.headers
        self.stream = httpx.ByteStream(content)
        self.extensions = dict(extensions)
        self.origin = template.origin
        self.wire = _joined(template.head, content)


def ready(request: httpx.Request) -> tuple[Origin, bytes]:
    """Where a request goes to, and its bytes.

    Raises:
        NotWritten: The request is not one that can be carried.
    """
    if isinstance(request, Filled):
        return request.origin, request.wire
    origin = _origin(request)
    if not isinstance(request.stream, httpx.ByteStream):
        raise NotWritten("only a body that is ready, not a stream")
    head, body = _head(request), request.read()
    if not body and request.method == "GET":
        return origin, head + b"\r\n"
    return origin, _joined(head, body)


def _origin(request: httpx.Request) -> Origin:
    url = request.url
    if url.scheme not in _PORTS or request.method in ("HEAD", "CONNECT"):
        raise NotWritten("only http and https, and no HEAD or CONNECT")
    return Origin(url.scheme, url.host, url.port or _PORTS[url.scheme])


def _head(request: httpx.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [
        b"%s: %s" % header
        for header in request.headers.raw
        if header[0].lower() not in _FRAMING
    ]
    head = b"\r\n".join(lines)
    # More line ends than lines: a header would smuggle in another header or request.
    if not head.count(b"\r") == head.count(b"\n") == len(lines) - 1:
        raise NotWritten("a header holds a line break")
    return head + b"\r\n"


def _joined(head: bytes, body: bytes) -> bytes:
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)
