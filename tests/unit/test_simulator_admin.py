"""The admin calls: what tests can change and ask."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.simulator import Fault, SimulatorConfig, Stats
from dispatcher.simulator.admin import Admin
from dispatcher.simulator.exchange import Reply, Request
from tests.unit.test_simulator_send import Bench, content


def ask(bench: Bench, method: str, name: str, body: bytes = b"") -> Reply:
    """One admin call, without any authorization."""
    target = f"/_admin/{name}"
    return Admin(bench.provider, bench.mail).answer(
        Request(method=method, target=target, body=body)
    )


def test_faults_are_replaced() -> None:
    """From the next request on."""
    bench = Bench(SimulatorConfig(faults={Fault.SERVER_ERROR: 1}))
    assert ask(bench, "POST", "faults", b'{"503":1}').status == 200
    assert bench.send().status == 503
    assert ask(bench, "POST", "faults", b"{}").status == 200
    assert bench.send().status == 202


def test_credentials_are_replaced() -> None:
    """The bench's own are refused, then taken again."""
    bench = Bench()
    ask(bench, "POST", "credentials", b'{"username":"a","password":"b"}')
    assert bench.send().status == 401
    ask(bench, "POST", "credentials", b'{"username":null,"password":null}')
    assert bench.send().status == 202


def test_stats_are_told() -> None:
    """They can be read back into their own type."""
    bench = Bench()
    bench.send()
    bench.search(limit="5")
    stats = msgspec.json.decode(ask(bench, "GET", "stats").body, type=Stats)
    assert stats == Stats(
        sends=1, units=10, taken=1, taken_units=10, searches=1, answers={"202": 1}
    )


@pytest.mark.parametrize(
    ("method", "name", "body", "status"),
    [
        ("POST", "faults", b"", 400),
        ("POST", "faults", b"[]", 400),
        ("POST", "faults", b'{"hang":"often"}', 400),
        ("POST", "faults", b'{"hang":2}', 400),
        ("POST", "faults", b'{"nonsense":1}', 400),
        ("POST", "faults", b'{"\xff":1}', 400),
        ("POST", "credentials", b"{}", 400),
        ("POST", "credentials", b"[" * 100_000, 400),
        ("POST", "callbacks", b'{"url":"nowhere"}', 400),
        ("POST", "callbacks", b'{"url":"http://x","username":"user"}', 400),
        ("POST", "inbound", b'{"from":"+19195550001","to":[],"text":"STOP"}', 400),
        ("POST", "inbound", b'{"from":"me","to":"+19195551212","text":"STOP"}', 400),
        ("POST", "inbound", b'{"from":"+19195550001","to":"+19195551212"}', 400),
        ("GET", "faults", b"", 404),
        ("POST", "stats", b"", 404),
        ("GET", "", b"", 404),
    ],
)
def test_a_bad_call_changes_nothing(
    method: str, name: str, body: bytes, status: int
) -> None:
    """It is answered, and the provider goes on as before."""
    bench = Bench()
    assert ask(bench, method, name, body).status == status
    assert bench.mail.posted == []
    assert bench.mail.target is None
    assert bench.send().status == 202


def test_a_bad_kind_is_told_with_those_there_are() -> None:
    """As on the command line."""
    reply = ask(Bench(), "POST", "faults", b'{"nonsense":1}')
    assert "the kinds are 429" in content(reply)["description"]


def test_other_paths_are_the_providers() -> None:
    """The admin calls take none of them away."""
    bench = Bench()
    request = Request(method="GET", target="/_admin")
    reply = Admin(bench.provider, bench.mail).answer(request)
    assert (reply.status, content(reply)["path"]) == (404, "/_admin")
