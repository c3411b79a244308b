"""Callbacks over real sockets: a whole simulator and a small real receiver."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx
import pytest

from dispatcher.errors import DispatchError
from dispatcher.simulator import Fate, Fault, Simulator, SimulatorConfig

BODY = {
    "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
    "from": "+19195551212",
    "to": [f"+1919555000{n}" for n in range(10)],
    "text": "Doors open at 6 pm.",
}
AUTH = ("user", "password")
USER = "Basic " + base64.b64encode(b"them:secret").decode()


class Receiver:
    """Answers callbacks as its rule says, and keeps them.

    Args:
        rule: From the number of the request and its `Authorization` to a status.
        challenge: Sent as `WWW-Authenticate` with every 401, if given.
    """

    def __init__(
        self, rule: Callable[[int, str | None], int], challenge: str = ""
    ) -> None:
        self.requests: list[tuple[int, str | None]] = []
        self.events: list[dict[str, Any]] = []
        self._rule = rule
        self._challenge = challenge
        self._lock = threading.Lock()

    def handle(self, asked: BaseHTTPRequestHandler) -> None:
        length = int(asked.headers["Content-Length"])
        (event,) = json.loads(asked.rfile.read(length))
        user = asked.headers["Authorization"]
        with self._lock:
            status = self._rule(len(self.requests), user)
            self.requests.append((status, user))
            if 200 <= status <= 299:
                self.events.append(event)
        asked.send_response(status)
        if status == 401 and self._challenge:
            asked.send_header("WWW-Authenticate", self._challenge)
        asked.send_header("Content-Length", "0")
        asked.end_headers()

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/callbacks"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """One process for all tests of the module."""
    config = SimulatorConfig(
        callback_delay_ms=5,
        callback_retry_seconds=0.05,
        callback_late_seconds=0.2,
        seed=11,
    )
    with Simulator(config) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    """The same, in good order and with nobody to call."""
    yield running
    running.set_faults({})
    running.set_callbacks(None)


@pytest.fixture
def ready() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with Receiver(lambda _, __: 204) as receiver:
        yield receiver


def send(simulator: Simulator, times: int = 1) -> None:
    """So many group messages."""
    url = f"{simulator.base_url}/users/5500001/messages"
    with httpx.Client(auth=AUTH, trust_env=False) as client:
        for _ in range(times):
            assert client.post(url, json=BODY).status_code == 202


def outcome(simulator: Simulator, messages: int = 1) -> tuple[int, int, int]:
    """Send and settle: what was acknowledged, lost, and asked for meanwhile."""
    before = simulator.callbacks()
    send(simulator, messages)
    after = simulator.settle(60)
    return (
        after.acknowledged - before.acknowledged,
        after.lost - before.lost,
        after.requests - before.requests,
    )


def test_every_disorder_ends_as_the_truth_says(
    simulator: Simulator, ready: Receiver
) -> None:
    """A receiver that lets failures stick knows in the end what the simulator knows."""
    simulator.set_faults({kind: 0.2 for kind in Fault if kind.of_callbacks})
    simulator.set_callbacks(ready.url)
    acknowledged, lost, requests = outcome(simulator, 30)
    assert acknowledged == requests > 600
    assert lost == 0
    truth = simulator.truth()
    known: dict[tuple[str, str], Fate] = dict.fromkeys(truth, Fate("none"))
    for event in ready.events:
        who = (event["message"]["id"], event["to"])
        if event["type"] == "message-failed":
            known[who] = Fate("failed", event["errorCode"])
        elif event["type"] == "message-delivered" and who in known:
            known[who] = Fate("delivered") if known[who].code is None else known[who]
    assert known == truth
    assert {fate.state for fate in truth.values()} == {"delivered", "failed", "none"}


def test_credentials_are_given_when_asked_for(simulator: Simulator) -> None:
    """First without, then with them; every event is acknowledged."""

    def rule(_: int, user: str | None) -> int:
        return 204 if user == USER else 401

    with Receiver(rule, 'Basic realm="callbacks"') as receiver:
        simulator.set_callbacks(receiver.url, "them", "secret")
        assert outcome(simulator) == (20, 0, 40)
    assert sorted(receiver.requests, key=str) == (
        [(204, USER)] * 20 + [(401, None)] * 20
    )


def test_without_a_challenge_the_events_are_lost(simulator: Simulator) -> None:
    """As in reality: there is no second try."""
    with Receiver(lambda _, __: 401) as receiver:
        simulator.set_callbacks(receiver.url, "them", "secret")
        assert outcome(simulator) == (0, 20, 20)


def test_what_is_refused_is_told_again(simulator: Simulator) -> None:
    """Whatever the status, until it is a 2xx."""
    statuses = [500, 302, 429, 404, 503]
    with Receiver(lambda n, _: statuses[n] if n < len(statuses) else 200) as receiver:
        simulator.set_callbacks(receiver.url)
        assert outcome(simulator) == (20, 0, 25)


def test_a_receiver_may_come_later_and_elsewhere(
    simulator: Simulator, ready: Receiver
) -> None:
    """What could not be told anywhere goes to whoever is there."""
    with Receiver(lambda _, __: 204) as gone:
        pass
    simulator.set_callbacks(gone.url)
    send(simulator)
    assert simulator.callbacks_pending() == 20
    with pytest.raises(DispatchError, match="20 callbacks are still pending"):
        simulator.settle(0)
    simulator.set_callbacks(ready.url)
    simulator.settle(60)
    assert len(ready.events) == 20


def test_somebody_writes_to_us(simulator: Simulator, ready: Receiver) -> None:
    """On command; told like everything else."""
    with pytest.raises(DispatchError, match="no callback URL"):
        simulator.inbound("+19195550001", "+19195551212", "STOP")
    simulator.set_callbacks(ready.url)
    with pytest.raises(DispatchError, match=r"E\.164"):
        simulator.inbound("0001", "+19195551212", "STOP")
    id_ = simulator.inbound("+19195550001", "+19195551212", "STOP")
    simulator.settle(60)
    (event,) = ready.events
    assert (event["type"], event["message"]["id"]) == ("message-received", id_)
    assert event["message"]["from"] == "+19195550001"
    assert event["message"]["text"] == "STOP"


def test_a_url_that_cannot_be_called_is_refused(simulator: Simulator) -> None:
    """And the old one stays."""
    with pytest.raises(DispatchError, match="callback URL"):
        simulator.set_callbacks("nowhere")
