"""Who is called back: what a URL says, and the request that goes there."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.simulator import SimulatorConfig
from dispatcher.simulator.target import Target


def test_a_request_is_the_documented_one() -> None:
    """Without credentials, and with them once they are asked for."""
    target = Target.of("http://127.0.0.1:8080/callbacks?a=b", "user", "secret")
    assert target is not None
    head = (
        b"POST /callbacks?a=b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
        b"User-Agent: BandwidthAPI/v2\r\nAccept: */*\r\n"
        b"Content-Type: application/json; charset=utf-8\r\n"
    )
    tail = b"Content-Length: 2\r\n\r\n[]"
    assert target.request(b"[]", authorized=False) == head + tail
    assert target.request(b"[]", authorized=True) == (
        head + b"Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" + tail
    )
    assert "dXNlcjpzZWNyZXQ=" not in repr(target)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("http://example.org", "example.org", 80, False),
        ("https://example.org/", "example.org", 443, True),
        ("http://[::1]:8080/x", "::1", 8080, False),
    ],
)
def test_a_url_says_where(url: str, host: str, port: int, *, tls: bool) -> None:
    """With the usual ports."""
    target = Target.of(url, None, None)
    assert target is not None
    assert (target.host, target.port, target.tls) == (host, port, tls)
    assert b"POST / " in target.head or b"POST /x " in target.head


@pytest.mark.parametrize(
    "given",
    [
        {"callback_url": "example.org/callbacks"},
        {"callback_url": "ftp://example.org"},
        {"callback_url": "http://"},
        {"callback_url": "http://x:99999"},
        {"callback_url": "http://x/a b"},
        {"callback_url": "http://x/\r\nHost: y"},
        {"callback_url": "http://x", "callback_username": "user"},
        {"callback_connections": 0},
        {"callback_codes": ()},
        {"callback_codes": (47,)},
        {"callback_retry_seconds": -1},
    ],
)
def test_what_cannot_be_called_is_told(given: dict[str, Any]) -> None:
    """When the configuration is made."""
    with pytest.raises(InvalidInput):
        SimulatorConfig(**given)
