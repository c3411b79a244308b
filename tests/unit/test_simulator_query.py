"""Searches that the simulated provider refuses."""

from __future__ import annotations

import pytest

from dispatcher.simulator import SimulatorConfig
from tests.unit.test_simulator_send import PATH, Bench, complaints, content, encoded


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "query"),
        ("product=P2P", "product"),
        ("errorCode=4700", "errorCode"),
        ("sourceTn=", "sourceTn"),
        ("sourceTn=1919", "sourceTn"),
        ("sourceTn=+19195551212", "sourceTn"),
        ("sourceTn=family", "sourceTn"),
        ("destinationTn=%2B19195551212,19195551213", "destinationTn"),
        ("destinationTn=" + ",".join(["%2B19195551212"] * 11), "destinationTn"),
        ("messageStatus=LOST", "messageStatus"),
        ("messageDirection=out", "messageDirection"),
        ("messageType=fax", "messageType"),
        ("fromDateTime=yesterday", "fromDateTime"),
        ("toDateTime=2027-13-01", "toDateTime"),
        ("fromDateTime=2027-01-01T07:59:59Z", "fromDateTime"),
        ("fromDateTime=2027-01-01&toDateTime=2027-01-16", "fromDateTime"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=-1", "limit"),
        ("limit=%C2%B2", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("sort=receiveTime", "sort"),
        ("sort=sourceTn:asc", "sort"),
        ("pageToken=abc", "pageToken"),
        ("pageToken=1.2.3", "pageToken"),
    ],
)
def test_a_bad_query_is_refused(query: str, field: str) -> None:
    """The parameter is named; an unescaped plus sign is a blank and no number."""
    reply = Bench().ask("GET", f"{PATH}?{query}")
    assert [name for name, _ in complaints(reply)] == [field]


def test_a_search_needs_a_query_and_credentials() -> None:
    """Without a question mark there is nothing to search for."""
    bench = Bench()
    assert bench.ask("GET", PATH).status == 400
    assert bench.ask("GET", PATH + "?limit=1", authorization=b"").status == 401


def test_too_many_searches_are_refused() -> None:
    """With the time to wait, in the documented form."""
    bench = Bench(SimulatorConfig(search_limit=2))
    statuses = [bench.ask("GET", PATH + "?limit=1").status for _ in range(2)]
    bench.now += 100
    reply = bench.ask("GET", PATH + "?limit=1")
    assert (statuses, reply.status) == ([200, 200], 429)
    assert content(reply)["type"] == "rate_limit_exceeded"
    assert reply.headers == (("Retry-After", "200"),)
    bench.now += 200
    assert bench.ask("GET", PATH + "?limit=1").status == 200


def test_sends_do_not_count_as_searches() -> None:
    """The limit is of the search call alone."""
    bench = Bench(SimulatorConfig(search_limit=1))
    for _ in range(5):
        assert bench.ask("POST", PATH, encoded()).status == 202
    assert bench.ask("GET", PATH + "?limit=1").status == 200
