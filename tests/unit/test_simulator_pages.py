"""The pages of the simulated search, and what is not to be found on them."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.simulator import Layout, SimulatorConfig
from dispatcher.simulator.archive import BLOCK
from tests.unit.test_simulator_search import at, filled
from tests.unit.test_simulator_send import GROUP, SENDER, START, Bench, content


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("sort", ["receiveTime:asc", "receiveTime:desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_together_are_the_whole(layout: Layout, sort: str, limit: int) -> None:
    """No row is doubled or lost at the seams, which may cut through a group."""
    bench, _ = filled(SimulatorConfig(layout=layout))
    whole = bench.search(sort=sort)["messages"]
    rows: list[Any] = []
    asked = {"sort": sort, "limit": str(limit)}
    while True:
        found = bench.search(**asked)
        assert 0 < len(found["messages"]) <= limit
        assert found["totalCount"] == len(whole)
        rows += found["messages"]
        if "nextPageToken" not in found["pageInfo"]:
            break
        asked["pageToken"] = found["pageInfo"]["nextPageToken"]
    assert rows == whole


@pytest.mark.parametrize("sort", ["receiveTime:asc", "receiveTime:desc"])
def test_pages_hold_still_while_messages_arrive(sort: str) -> None:
    """What comes between two pages does not shift the second."""
    bench, ids = filled()
    asked = {"sort": sort, "limit": "4", "toDateTime": at(60)}
    token = bench.search(**asked)["pageInfo"]["nextPageToken"]
    before = bench.search(**asked, pageToken=token)["messages"]
    bench.send()
    after = bench.search(**asked, pageToken=token)["messages"]
    assert after[: len(before)] == before
    assert ids[0] in {row["messageId"] for row in before} or "asc" in sort


def test_the_default_page_has_a_hundred_rows() -> None:
    """And the count is of all of them."""
    bench = Bench()
    for _ in range(11):
        bench.send()
    found = bench.search(sourceTn=SENDER)
    assert (len(found["messages"]), found["totalCount"]) == (100, 110)


def test_the_count_ends_at_ten_thousand() -> None:
    """As the provider's does when told to be quick."""
    bench = Bench()
    for _ in range(1001):
        bench.send()
    assert bench.search(limit="1")["totalCount"] == 10_000


def test_the_index_lags() -> None:
    """A message is found when it is as old as the lag, and not before."""
    bench = Bench(SimulatorConfig(index_lag=5))
    found = str(content(bench.send())["id"])
    for later, count in ((0, 0), (4.9, 0), (5, 10)):
        bench.now = START + later
        assert bench.search(sourceTn=SENDER)["totalCount"] == count
        assert bench.search(messageId=found)["totalCount"] == count


def test_messages_older_than_two_weeks_are_not_found() -> None:
    """Without a window the last fourteen days are searched."""
    bench = Bench()
    bench.send()
    bench.now += 14 * 86400
    assert bench.search(sourceTn=SENDER)["totalCount"] == 10
    bench.now += 1
    assert bench.search(sourceTn=SENDER)["totalCount"] == 0
    old = bench.search(fromDateTime=at(0), toDateTime=at(1))
    assert old["totalCount"] == 10


def test_a_clock_that_goes_back_hides_nothing() -> None:
    """Messages stay in the order in which they came."""
    bench = Bench()
    bench.send(to=GROUP[:1])
    bench.now -= 3600
    bench.send(to=GROUP[1:2])
    bench.now = START + 1
    found = bench.search(sort="receiveTime:asc")["messages"]
    assert [row["destinationTn"] for row in found] == GROUP[:2]


def test_recipients_are_found_among_many() -> None:
    """Across several blocks of the index, finished and unfinished ones."""
    bench = Bench()
    count = 2 * BLOCK + 100
    for n in range(count):
        bench.send(to=[f"+1700{n:07d}", f"+1800{n:07d}"])
    wanted = [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK, count - 1]
    numbers = [f"+1800{n:07d}" for n in wanted]
    for _ in range(2):
        found = bench.search(destinationTn=",".join(numbers), sort="receiveTime:asc")
        assert [row["destinationTn"] for row in found["messages"]] == numbers
    bench.send(to=[numbers[0]])
    assert bench.search(destinationTn=numbers[0])["totalCount"] == 2
