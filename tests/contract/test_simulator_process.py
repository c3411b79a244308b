"""The simulator as a process: what can be done with it, its life and its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dispatcher.errors import DispatchError
from dispatcher.simulator import Fault, Simulator, SimulatorConfig, read_record

BODY = {
    "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
    "from": "+19195551212",
    "to": ["+19195550001", "+19195550002"],
    "text": "Doors open at 6 pm.",
}
AUTH = ("user", "password")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One process for the tests that leave it as it was."""
    with Simulator() as running:
        yield running


def path(simulator: Simulator) -> str:
    """The send call's URL."""
    return f"{simulator.base_url}/users/5500001/messages"


def test_a_whole_conversation_with_a_token(simulator: Simulator) -> None:
    """Token, send, search: as the dispatcher does it."""
    root = simulator.base_url.removesuffix("/api/v2")
    with httpx.Client(base_url=root, trust_env=False) as client:
        token = client.post(
            "/api/v1/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=AUTH,
        ).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        sent = client.post("/v2/users/42/messages", json=BODY).json()
        found = client.get(
            "/v2/users/42/messages",
            params={
                "sourceTn": "+19195551212",
                "destinationTn": "+19195550001,+19195550002",
                "messageDirection": "OUTBOUND",
            },
        ).json()
        simulator.revoke_tokens()
        refused = client.get("/v2/users/42/messages", params={"limit": 1})
    assert {row["messageId"] for row in found["messages"]} == {sent["id"]}
    assert found["totalCount"] == 2
    assert refused.status_code == 401


def test_credentials_change_while_it_runs() -> None:
    """For the requests that come after."""
    with Simulator() as simulator:
        simulator.set_credentials("user", "other")
        response = httpx.post(path(simulator), json=BODY, auth=AUTH, trust_env=False)
        assert response.status_code == 401
        simulator.set_credentials(None, None)
        response = httpx.post(path(simulator), json=BODY, auth=AUTH, trust_env=False)
        assert response.status_code == 202


def test_a_bad_share_is_told(simulator: Simulator) -> None:
    """By an error, and the faults stay as they were."""
    with pytest.raises(DispatchError, match="from 0 to 1"):
        simulator.set_faults({Fault.HANG: 2})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 0, the record complete, although clients are connected."""
    record = tmp_path / "record.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "dispatcher.simulator", f"--record={record}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as stdout, httpx.Client(trust_env=False) as client:
        line = stdout.readline()
        url = line.removeprefix("simulator ready at ").strip()
        assert url.endswith("/api/v2")
        for _ in range(20):
            client.post(f"{url}/users/1/messages", json=BODY, auth=AUTH)
        process.send_signal(number)
        assert process.wait(30) == 0
        assert stdout.read() == ""
    assert [entry.seq for entry in read_record(record)] == list(range(1, 21))


def test_a_violent_end_keeps_what_was_flushed(tmp_path: Path) -> None:
    """Whole lines only, and the same file serves the next process."""
    config = SimulatorConfig(record=tmp_path / "record.jsonl")
    with Simulator(config) as simulator:
        httpx.post(path(simulator), json=BODY, auth=AUTH, trust_env=False)
        assert len(simulator.record()) == 1
        os.kill(simulator.pid, signal.SIGKILL)
    with Simulator(config) as simulator:
        httpx.post(path(simulator), json=BODY, auth=AUTH, trust_env=False)
        assert [entry.seq for entry in simulator.record()] == [1, 1]


def test_it_can_come_back_on_the_same_port() -> None:
    """As a provider does after an outage."""
    with Simulator() as first:
        port = urlsplit(first.base_url).port
        with httpx.Client(trust_env=False) as client:
            client.post(path(first), json=BODY, auth=AUTH)
    with Simulator(SimulatorConfig(port=int(port or 0))) as second:
        assert second.base_url == first.base_url
        response = httpx.post(path(second), json=BODY, auth=AUTH, trust_env=False)
        assert response.status_code == 202


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault=nonsense=1"], "the kinds are"),
        (["--rate=0"], "rate"),
        (["--record=/nonexistent/record.jsonl"], "No such file"),
        (["--host=192.0.2.1"], "assign requested address"),
    ],
)
def test_what_prevents_a_start_is_told_in_one_line(
    arguments: list[str], said: str
) -> None:
    """On stderr, with exit code 2."""
    ended = subprocess.run(
        [sys.executable, "-m", "dispatcher.simulator", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_simulator_that_does_not_start_is_an_error(
    simulator: Simulator,
) -> None:
    """A taken port, for example; nothing is left running."""
    taken = SimulatorConfig(port=int(urlsplit(simulator.base_url).port or 0))
    with pytest.raises(DispatchError, match="did not start"), Simulator(taken):
        pass
