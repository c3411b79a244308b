"""Each fault as a client sees it over a real socket, and what the record says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from dispatcher.simulator import Entry, Fault, Simulator, SimulatorConfig

GROUP = [f"+1919555{n:04d}" for n in range(10)]
BODY = {
    "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
    "from": "+19195551212",
    "to": GROUP,
    "text": "Doors open at 6 pm.",
    "tag": "nonce|0|1|open-house",
}
#: Short, so that tests of silence are; nothing is asserted about time.
CONFIG = SimulatorConfig(hang_seconds=0.2, slow_ms=50, seed=1)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One process for all tests of the module."""
    with Simulator(CONFIG) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[httpx.Client]:
    """A client of its own for each test, without faults to begin with."""
    simulator.set_faults({})
    with httpx.Client(
        base_url=simulator.base_url,
        auth=("user", "password"),
        timeout=10,
        trust_env=False,
    ) as made:
        yield made


def send(client: httpx.Client) -> httpx.Response:
    """One send call."""
    return client.post("/users/5500001/messages", json=BODY)


def noted(simulator: Simulator) -> Entry:
    """What the record says of the last send call."""
    return simulator.record()[-1]


def test_without_faults_a_message_is_taken(
    simulator: Simulator, client: httpx.Client
) -> None:
    """And the record has the id that the client got."""
    response = send(client)
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json;charset=utf-8"
    entry = noted(simulator)
    assert (entry.taken, entry.status, entry.fault) == (True, 202, None)
    assert entry.id == response.json()["id"]
    assert entry.to == tuple(GROUP)


REFUSALS = {
    Fault.QUEUE_FULL: 429,
    Fault.SERVER_ERROR: 500,
    Fault.BAD_GATEWAY: 502,
    Fault.UNAVAILABLE: 503,
    Fault.EMPTY_500: 500,
    Fault.HTML_500: 500,
    Fault.UNAUTHORIZED: 401,
    Fault.FORBIDDEN: 403,
}


@pytest.mark.parametrize(("fault", "status"), REFUSALS.items())
def test_refusals(
    simulator: Simulator, client: httpx.Client, fault: Fault, status: int
) -> None:
    """Answered in whole, not taken, and the connection lives on."""
    simulator.set_faults({fault: 1})
    responses = [send(client), send(client)]
    assert [response.status_code for response in responses] == [status, status]
    entry = noted(simulator)
    assert (entry.taken, entry.status, entry.fault) == (False, status, fault)
    assert entry.units == 10


#: A client cannot tell an orderly close from a reset, nor either from what it means.
CUT = (httpx.RemoteProtocolError, httpx.ReadError)


@pytest.mark.parametrize(
    ("fault", "taken", "status"),
    [
        (Fault.DROP_BEFORE, False, None),
        (Fault.DROP_AFTER, True, None),
        (Fault.HALF_ANSWER, True, 202),
        (Fault.HANG, False, None),
        (Fault.HANG_AFTER, True, None),
    ],
)
def test_no_answer_says_nothing(
    simulator: Simulator,
    client: httpx.Client,
    fault: Fault,
    taken: bool,  # noqa: FBT001  # of a table
    status: int | None,
) -> None:
    """The client is cut off alike, whether the message was taken or not."""
    simulator.set_faults({fault: 1})
    for _ in range(8):
        with pytest.raises(CUT):
            send(client)
    entry = noted(simulator)
    assert (entry.taken, entry.status, entry.fault) == (taken, status, fault)


def test_drops_come_as_close_and_as_reset(
    simulator: Simulator, client: httpx.Client
) -> None:
    """Both happen to clients, who see two different errors."""
    simulator.set_faults({Fault.DROP_AFTER: 1})
    seen = set()
    for _ in range(40):
        with pytest.raises(CUT) as caught:
            send(client)
        seen.add(caught.type)
    assert seen == set(CUT)


@pytest.mark.parametrize(
    ("fault", "taken"), [(Fault.HANG, False), (Fault.HANG_AFTER, True)]
)
def test_a_hanging_request_is_noted_while_it_hangs(
    fault: Fault,
    taken: bool,  # noqa: FBT001  # of a table
) -> None:
    """A client with less patience goes; the record stays as it is."""
    config = SimulatorConfig(faults={fault: 1}, hang_seconds=600)
    with Simulator(config) as simulator, httpx.Client(trust_env=False) as client:
        url = f"{simulator.base_url}/users/5500001/messages"
        with pytest.raises(httpx.ReadTimeout):
            client.post(url, json=BODY, auth=("a", "b"), timeout=0.3)
        assert [entry.taken for entry in simulator.record()] == [taken]


def test_a_late_answer_is_a_whole_one(
    simulator: Simulator, client: httpx.Client
) -> None:
    """Taken, and answered as usual."""
    simulator.set_faults({Fault.SLOW: 1})
    response = send(client)
    entry = noted(simulator)
    assert response.status_code == 202
    assert (entry.id, entry.fault) == (response.json()["id"], Fault.SLOW)


def test_a_202_without_json(simulator: Simulator, client: httpx.Client) -> None:
    """Taken; the client has a status and no id."""
    simulator.set_faults({Fault.BAD_JSON: 1})
    response = send(client)
    assert response.status_code == 202
    with pytest.raises(json.JSONDecodeError):
        response.json()
    entry = noted(simulator)
    assert (entry.taken, entry.status) == (True, 202)


def test_a_seed_gives_the_same_faults_again() -> None:
    """In another process too."""
    shares = {Fault.SERVER_ERROR: 0.3, Fault.BAD_JSON: 0.3}
    seen = []
    for _ in range(2):
        config = SimulatorConfig(faults=shares, seed=7)
        with Simulator(config) as simulator, httpx.Client(trust_env=False) as client:
            for _ in range(50):
                url = f"{simulator.base_url}/users/5500001/messages"
                client.post(url, json=BODY, auth=("a", "b"))
            seen.append([entry.fault for entry in simulator.record()])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {None, *shares}
