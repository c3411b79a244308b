"""Sending hours: reading them, and sums over clocks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.hours import MINUTE_MS, Hours, Rule
from dispatcher.zones import timeline, zone_named, zones_of

MARCH = datetime(2027, 3, 1, tzinfo=UTC)
HOUR_MS = 60 * MINUTE_MS


def rule(hours: str, *zones: str) -> Rule:
    return Rule(Hours.parse(hours), frozenset(timeline(zone, MARCH) for zone in zones))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("09:00-20:00", "09:00-20:00"),
        (" 9:00 - 20:30 ", "09:00-20:30"),
        ("22:00-06:00", "22:00-06:00"),
    ],
)
def test_hours_are_read(written: str, read: str) -> None:
    """In the ways people write them; over midnight, too."""
    assert str(Hours.parse(written)) == read


@pytest.mark.parametrize("written", ["", "9-20", "09:00", "24:00-08:00", "08:00-08:00"])
def test_what_is_no_hours_is_told(written: str) -> None:
    """With an example of how to write them."""
    with pytest.raises(InvalidInput, match=r"such as 09:00-20:00"):
        Hours.parse(written)


def test_quiet_hours_are_the_rest_of_the_day() -> None:
    """And the rest of the rest are the hours again."""
    hours = Hours.parse("09:00-20:00")
    assert (str(hours.others), hours.others.others) == ("20:00-09:00", hours)


@pytest.mark.parametrize(
    ("hours", "minutes", "left"),
    [("09:00-20:00", 15, "09:00-19:45"), ("22:00-00:10", 15, "22:00-23:55")],
)
def test_a_margin_ends_them_earlier(hours: str, minutes: int, left: str) -> None:
    """Over midnight, too."""
    assert str(Hours.parse(hours).shortened(minutes)) == left


def test_a_margin_must_leave_something() -> None:
    """Else nothing would ever be sent."""
    with pytest.raises(InvalidInput, match="too short"):
        Hours.parse("09:00-09:20").shortened(15)


@pytest.mark.parametrize(
    ("now", "wait_h"),
    [
        ("2027-03-10T13:59:00-05:00", 0),
        ("2027-03-10T08:00:00-05:00", 1),
        ("2027-03-10T20:00:00-05:00", 13),
        # The clock goes forward at 2 in the night to the 14th: that night is shorter.
        ("2027-03-13T20:00:00-05:00", 12),
        # And back at 2 in the night to November 7th: that one is longer.
        ("2027-11-06T20:00:00-04:00", 14),
    ],
)
def test_opening_in_one_zone(now: str, wait_h: int) -> None:
    """By the local clock, over changes to and from daylight-saving time."""
    opens_in = rule("09:00-20:00", "America/New_York").opens_in(ms(now))
    assert opens_in == wait_h * HOUR_MS


def test_several_zones_are_open_when_all_are() -> None:
    """New York and Los Angeles share noon to 20:00 of New York."""
    both = rule("09:00-20:00", "America/New_York", "America/Los_Angeles")
    assert both.opens_in(ms("2027-03-10T09:00:00-05:00")) == 3 * HOUR_MS
    assert both.opens_in(ms("2027-03-10T12:00:00-05:00")) == 0
    assert both.closes_in(ms("2027-03-10T12:00:00-05:00")) == 8 * HOUR_MS


def test_zones_without_common_hours() -> None:
    """New York and Guam are fifteen hours apart."""
    never = rule("09:00-17:00", "America/New_York", "Pacific/Guam")
    assert not never.has_common_hours
    assert rule("09:00-17:00", "America/New_York").has_common_hours
    assert never.opens_in(ms("2027-03-10T12:00:00-05:00")) is None


def test_common_hours_are_wanted_in_every_season() -> None:
    """Phoenix has no daylight-saving time, so what it shares with Denver changes."""
    assert rule("09:00-10:00", "America/Denver").has_common_hours
    assert not rule("09:00-10:00", "America/Denver", "America/Phoenix").has_common_hours


def test_a_rule_is_stored_and_read() -> None:
    """Nothing of it gets lost."""
    both = rule("22:00-06:30", "America/New_York", "America/Phoenix")
    assert Rule.parse(both.stored()) == both


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        (12125551212, ("America/New_York",)),
        (13105551212, ("America/Los_Angeles",)),
        (19285551212, ("America/Phoenix",)),
        (442071234567, ("Europe/London",)),
    ],
)
def test_a_number_tells_its_zone(number: int, zones: tuple[str, ...]) -> None:
    """By its area code."""
    assert zones_of(number) == zones


def test_a_number_may_be_in_many_zones() -> None:
    """A toll-free one, from Guam to Newfoundland."""
    assert {"Pacific/Guam", "America/New_York"} <= set(zones_of(18005551212))


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("America/New_York", "America/New_York"),
        (" Eastern ", "America/New_York"),
        ("pacific time", "America/Los_Angeles"),
        ("Mars/Olympus", None),
        ("../etc/passwd", None),
        ("", None),
    ],
)
def test_a_zone_as_people_write_it(written: str, zone: str | None) -> None:
    """The names of the tz database, and what Americans say."""
    assert zone_named(written) == zone
