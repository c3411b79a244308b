"""The simulator over real sockets: connections, framing, nonsense."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from dispatcher.simulator import Simulator, SimulatorConfig

BODY = {
    "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
    "from": "+19195551212",
    "to": ["+19195550001", "+19195550002"],
    "text": "Doors open at 6 pm.",
}
AUTH = ("user", "password")
#: A path that answers 404 to anything: good for tests of framing.
ANY = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One process for all tests of the module."""
    with Simulator() as running:
        yield running


@pytest.fixture
def raw(simulator: Simulator) -> Iterator[socket.socket]:
    """A bare connection."""
    url = urlsplit(simulator.base_url)
    address = (str(url.hostname), int(url.port or 0))
    with socket.create_connection(address, timeout=20) as connection:
        yield connection


def path(simulator: Simulator) -> str:
    """The send call's URL."""
    return f"{simulator.base_url}/users/5500001/messages"


def everything(connection: socket.socket) -> bytes:
    """All that comes until the simulator closes."""
    data = b""
    while piece := connection.recv(65_536):
        data += piece
    return data


def test_a_connection_is_kept(raw: socket.socket) -> None:
    """Request after request on one socket."""
    for _ in range(100):
        raw.sendall(ANY)
        assert raw.recv(65_536).startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_a_connection_is_closed_when_asked(raw: socket.socket) -> None:
    """After the answer."""
    raw.sendall(ANY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answer = everything(raw)
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"}")


def test_requests_sent_on_without_waiting_are_answered_in_order(
    simulator: Simulator,
) -> None:
    """Also when each answer is late."""
    with Simulator(SimulatorConfig(latency_ms=5)) as late:
        for running in (simulator, late):
            url = urlsplit(running.base_url)
            address = (str(url.hostname), int(url.port or 0))
            with socket.create_connection(address, timeout=20) as connection:
                last = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
                numbered = (b"GET /%d HTTP/1.1\r\n\r\n" % n for n in range(50))
                connection.sendall(b"".join(numbered) + last)
                answers = everything(connection)
            found = [answers.find(b'"path":"/%d"' % n) for n in range(50)]
            assert found == sorted(found)
            assert -1 not in found
            assert b'"path":"/last"' in answers[found[-1] :]


def test_a_chunked_body_is_taken(simulator: Simulator) -> None:
    """As httpx sends a stream."""
    pieces = (bytes([c]) for c in httpx.Request("POST", "http://x", json=BODY).content)
    response = httpx.post(
        path(simulator),
        content=pieces,
        headers={"content-type": "application/json"},
        auth=AUTH,
        trust_env=False,
    )
    assert response.status_code == 202
    assert simulator.record()[-1].to == tuple(BODY["to"])


def test_a_body_too_large_is_refused(simulator: Simulator) -> None:
    """And the client gets to read why, though it is still writing."""
    before = simulator.stats().sends
    response = httpx.post(
        path(simulator), content=b"x" * 5_000_000, auth=AUTH, trust_env=False
    )
    assert response.status_code == 413
    assert simulator.stats().sends == before


def test_an_answer_to_head_has_no_body(raw: socket.socket) -> None:
    """Or the next answer would not be found."""
    raw.sendall(b"HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert everything(raw).endswith(b"\r\n\r\n")


MALFORMED = [
    b"\r\n\r\nnonsense\r\n\r\n",
    b"nonsense",
    b"\x00\x00\x00\x00\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\xff" * 1000,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1 x\r\n\r\n",
    b"GET / FTP/1.1\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"FETCH / HTTP/1.1\r\n\r\n",
    b"GET \x00 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\n: no name\r\n\r\n",
    b"GET / HTTP/1.1\r\nna me: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: \x00\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\na",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("nonsense", MALFORMED)
def test_nonsense_is_answered_and_cut_off(
    simulator: Simulator, raw: socket.socket, nonsense: bytes
) -> None:
    """With one 400 and no harm to anybody else."""
    raw.sendall(nonsense)
    answer = everything(raw)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1") == 1
    response = httpx.post(path(simulator), json=BODY, auth=AUTH, trust_env=False)
    assert response.status_code == 202


def test_a_client_may_go_at_any_point(simulator: Simulator) -> None:
    """Half a request is no request."""
    whole = b"POST /api/v2/users/1/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    before = simulator.stats().sends
    url = urlsplit(simulator.base_url)
    for cut in range(len(whole)):
        address = (str(url.hostname), int(url.port or 0))
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(whole[:cut])
    assert simulator.stats().sends == before
