"""Forecasts: when a campaign would be through, under rates and hours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dispatcher.forecast import Day, forecast
from dispatcher.hours import Hours, Rule
from dispatcher.zones import timeline

DAY = datetime(2027, 3, 10, tzinfo=UTC)
EAST, WEST = (
    Rule(Hours.parse("09:00-20:00"), frozenset([timeline(zone, DAY)]))
    for zone in ("America/New_York", "America/Los_Angeles")
)
HOUR = 3600


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2027-03-{text}:00-05:00")


@pytest.mark.parametrize(
    ("units", "rate", "now", "begins", "ends"),
    [
        # All at once, as soon as it opens.
        ({EAST: 100}, None, "10T07:00", "10T09:00", "10T09:00"),
        # Within the day.
        ({EAST: 2 * HOUR}, 1, "10T10:00", "10T10:00", "10T12:00"),
        # Eleven hours a day: the rest goes on the second day.
        ({EAST: 12 * HOUR}, 1, "10T09:00", "10T09:00", "11T10:00"),
        # The west can go on when the east is through.
        ({EAST: 3 * HOUR, WEST: 3 * HOUR}, 1, "10T09:00", "10T09:00", "10T15:00"),
        # The east goes first, and again next morning; the west in between.
        ({EAST: 12 * HOUR, WEST: HOUR}, 1, "10T09:00", "10T09:00", "11T10:00"),
        # Nothing to hurry for at night.
        ({WEST: HOUR}, 1, "10T23:30", "11T12:00", "11T13:00"),
    ],
)
def test_under_hours(
    units: dict[Rule, float], rate: float | None, now: str, begins: str, ends: str
) -> None:
    """To the minute."""
    made = forecast(sum(units.values()), [rate], now=at(now), hours=[*units.items()])
    assert abs((made.starts_at - at(begins)).total_seconds()) < 1
    assert abs((made.ends_at - at(ends)).total_seconds()) < 1


def test_without_hours() -> None:
    """The smallest rate decides."""
    made = forecast(600, [10, None, 2], now=at("10T07:00"))
    assert (made.starts_at, made.seconds) == (at("10T07:00"), 300)


@pytest.mark.parametrize(
    ("units", "rate", "day", "begins", "ends"),
    [
        # Midnight UTC is at 19:00 here. It fits into this day.
        (100, None, Day(100), "10T07:00", "10T07:00"),
        # A third of it a day: at once, then at two midnights.
        (300, None, Day(100), "10T07:00", "11T19:00"),
        # Some of this day is used up already; all of it.
        (300, None, Day(200, used=150), "10T07:00", "11T19:00"),
        (300, None, Day(200, used=250), "10T19:00", "11T19:00"),
        # As much as there is left today takes an hour; the rest half an hour more.
        (1.5 * HOUR, 1, Day(HOUR), "10T07:00", "10T19:30"),
        # A cap that no day comes up to changes nothing, over midnight or not.
        (24 * HOUR, 1, Day(48 * HOUR), "10T07:00", "11T07:00"),
        # What is sent after midnight counts for that day.
        (3 * HOUR, 1, Day(2 * HOUR), "10T18:00", "10T21:00"),
        (4 * HOUR, 1, Day(2 * HOUR), "10T18:00", "11T20:00"),
    ],
)
def test_under_a_day_s_cap(
    units: float, rate: float | None, day: Day, begins: str, ends: str
) -> None:
    """Until it is used up, and from midnight UTC again."""
    now = at("10T18:00") if begins == "10T18:00" else at("10T07:00")
    made = forecast(units, [rate], now=now, day=day)
    assert abs((made.starts_at - at(begins)).total_seconds()) < 1
    assert abs((made.ends_at - at(ends)).total_seconds()) < 1


def test_under_hours_and_a_cap() -> None:
    """What may be sent in the morning is used up then; the rest waits for the hours."""
    made = forecast(150, [1], now=at("10T07:00"), hours=[(EAST, 150)], day=Day(100))
    assert abs((made.starts_at - at("10T09:00")).total_seconds()) < 1
    assert abs((made.ends_at - at("10T19:00")).total_seconds() - 50) < 1
