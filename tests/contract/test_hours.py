"""A list over many time zones, and a simulated day: nobody is written to at night."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dispatcher.campaign import Campaign
from dispatcher.errors import InvalidInput
from dispatcher.ledger import calls
from dispatcher.listrows import Row
from dispatcher.order import Order, Submission
from dispatcher.producer import Producer
from tests.bench import FREE, SENDER, Bench

#: Area codes by where they are.
AREAS = {
    212: "America/New_York",
    312: "America/Chicago",
    303: "America/Denver",
    602: "America/Phoenix",
    310: "America/Los_Angeles",
    907: "America/Anchorage",
    808: "Pacific/Honolulu",
}
PEOPLE = [f"+1{area}555{i:04}" for i in range(40) for area in AREAS]
MARGIN_S = 900
#: Steps of the simulated day.
STEP = timedelta(minutes=5)


def submit(bench: Bench, folder: Path, rows: list[str] | list[Row]) -> Submission:
    campaign = Campaign(sender=SENDER, text="Hello.", quiet_hours="20:00-09:00")
    order = Order(id="c", campaign=campaign, rows=rows, hours_margin=MARGIN_S)
    made = Producer(bench.ledger, folder).submit(order)
    bench.loaded.append("c")
    return made


@pytest.mark.parametrize("day", ["2027-03-14", "2027-07-01", "2027-11-07"])
def test_no_group_goes_outside_its_members_hours(
    bench: Bench, tmp_path: Path, day: str
) -> None:
    """Seven zones, a day with the clock going forward, one going back, and one without.

    At every step everything that may be claimed is claimed and gated.
    """
    at = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    bench.clock.us = int(at.timestamp() * 1_000_000)
    submit(bench, tmp_path, PEOPLE)
    sent: dict[str, datetime] = {}
    for _ in range(int(timedelta(days=1) / STEP)):
        for group in all_that_may_go(bench):
            members = bench.ledger.group(bench.row(), group).members
            sent |= {f"+{number}": at for number in members}
        at += STEP
        bench.clock.forward(STEP.total_seconds() * 1000)
    assert sorted(sent) == sorted(PEOPLE)
    for number, moment in sent.items():
        local = moment.astimezone(ZoneInfo(AREAS[int(number[2:5])]))
        assert 9 * 60 <= local.hour * 60 + local.minute < 20 * 60 - MARGIN_S / 60
        # And not later than it could have been: all went in their first hours.
        assert (local.hour, local.minute) <= (9, 4) or moment == datetime.fromisoformat(
            f"{day}T00:00:00+00:00"
        )


def all_that_may_go(bench: Bench) -> list[int]:
    """Claim, gate and accept; the gate must agree with the claim."""
    gone = []
    while claimed := bench.ledger.run(calls.claim("T1", 50, FREE, idle=True)).groups:
        for one in claimed:
            assert bench.gate(one.group, 1) == 0
            bench.settle("accepted", one.group, 1, f"id-{one.group}")
            gone.append(one.group)
    return gone


def test_a_zone_in_the_list_wins(bench: Bench, tmp_path: Path) -> None:
    """And one that does not exist is told like any other bad row."""
    rows = [
        Row(1, "+12125550001", zone="Pacific/Honolulu"),
        Row(2, "+18085550002", zone=""),
        Row(3, "+12125550003", zone="Nowhere"),
    ]
    made = submit(bench, tmp_path, rows)
    assert (made.groups, made.rejected) == (1, {"unknown_zone": 1})


def test_hours_shorter_than_the_margin_are_told(bench: Bench, tmp_path: Path) -> None:
    """Nothing would ever be sent."""
    campaign = Campaign(sender=SENDER, text="Hello.", quiet_hours="09:10-09:00")
    order = Order(id="c", campaign=campaign, rows=PEOPLE, hours_margin=MARGIN_S)
    with pytest.raises(InvalidInput, match="too short"):
        Producer(bench.ledger, tmp_path).submit(order)


def test_hours_are_no_content(bench: Bench, tmp_path: Path) -> None:
    """Submitting again with other hours finds the same campaign."""
    submit(bench, tmp_path, PEOPLE)
    campaign = Campaign(sender=SENDER, text="Hello.")
    again = Order(id="c", campaign=campaign, rows=PEOPLE)
    assert Producer(bench.ledger, tmp_path).submit(again).existing


def test_a_lane_for_every_zone(bench: Bench, tmp_path: Path) -> None:
    """Which a forecast reads from what the submission says."""
    made = submit(bench, tmp_path, PEOPLE)
    assert [lane.end - lane.first for lane in made.lanes] == [4] * len(AREAS)
