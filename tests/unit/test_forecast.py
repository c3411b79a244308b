"""Forecasts: when a campaign would be through, under rates and hours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dispatcher.forecast import forecast
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
