"""Refused connections are refused by the kernel: no client is ever cut off.

Many clients connect, send one request and connect again, as fast as they can, while
the door shuts again and again. Each must see either a refusal to connect, or a whole
answer: a reset after connecting would mean that a request was written in vain.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections import Counter
from urllib.parse import urlsplit

import msgspec

from dispatcher.simulator import Fault, Simulator, SimulatorConfig

CLIENTS = 8
#: Requests that each client gets answered before it ends.
ANSWERS = 400

BODY = msgspec.json.encode(
    {
        "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
        "from": "+19195551212",
        "to": ["+19195550001"],
        "text": "Doors open at 6 pm.",
    }
)
REQUEST = (
    b"POST /api/v2/users/5500001/messages HTTP/1.1\r\nHost: x\r\n"
    b"Connection: close\r\nContent-Type: application/json\r\n"
    b"Authorization: Basic %b\r\nContent-Length: %d\r\n\r\n%b"
    % (base64.b64encode(b"user:password"), len(BODY), BODY)
)


def attempt(address: tuple[str, int]) -> str:
    """Connect, ask, and say what came of it."""
    with socket.socket() as client:
        client.settimeout(30)
        try:
            client.connect(address)
        except ConnectionRefusedError:
            return "refused"
        client.sendall(REQUEST)
        answer = b""
        while piece := client.recv(65_536):
            answer += piece
    whole = answer.startswith(b"HTTP/1.1 202") and answer.endswith(b"}")
    return "answered" if whole else "cut off"


def hammer(address: tuple[str, int], seen: Counter[str]) -> None:
    """Attempt until enough answers came; count what came."""
    answered = 0
    while answered < ANSWERS:
        try:
            outcome = attempt(address)
        except OSError as error:
            outcome = f"cut off: {error!r}"
        seen[outcome] += 1
        answered += outcome == "answered"


def test_a_client_is_refused_or_served() -> None:
    """And every answer is a message taken, no more and no less."""
    config = SimulatorConfig(faults={Fault.REFUSE: 0.02}, seed=1)
    with Simulator(config) as simulator:
        url = urlsplit(simulator.base_url)
        address = (str(url.hostname), int(url.port or 0))
        counts = [Counter[str]() for _ in range(CLIENTS)]
        threads = [threading.Thread(target=hammer, args=(address, c)) for c in counts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = simulator.stats()
    seen = sum(counts, Counter[str]())
    assert seen.keys() == {"answered", "refused"}
    assert seen["answered"] == CLIENTS * ANSWERS == stats.taken == stats.sends
    assert stats.faults[Fault.REFUSE] > 20


def test_the_one_who_was_answered_finds_the_door_shut() -> None:
    """The door shuts before the answer is written, for everybody but those inside."""
    config = SimulatorConfig(faults={Fault.REFUSE: 1}, refuse_ms=60_000)
    with Simulator(config) as simulator:
        url = urlsplit(simulator.base_url)
        address = (str(url.hostname), int(url.port or 0))
        with socket.create_connection(address, timeout=30) as early:
            assert attempt(address) == "answered"
            assert attempt(address) == "refused"
            early.sendall(REQUEST)
            assert early.recv(65_536).startswith(b"HTTP/1.1 202")
