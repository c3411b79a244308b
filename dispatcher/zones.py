"""Time zones: which ones a number may be in, and how their clocks run. No I/O.

A number's zone is told by its first digits, which is a guess: people move and keep
their numbers. Whoever knows better says so in a column of the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import timezone as number_zones

from dispatcher.hours import Timeline

#: Days for which clock changes are known to a campaign; later ones do not happen to it.
HORIZON_DAYS: Final = 800
#: Numbers, or exchanges, whose zones are kept; some 300 bytes each.
_KEPT: Final = 65_536
#: What phonenumbers says of a number that it knows nothing about.
_UNKNOWN: Final = number_zones.UNKNOWN_TIMEZONE
_NANP: Final = range(12 * 10**9, 20 * 10**9)
#: What Americans write in a column.
_SHORT: Final = {
    "eastern": "America/New_York",
    "central": "America/Chicago",
    "mountain": "America/Denver",
    "pacific": "America/Los_Angeles",
    "alaska": "America/Anchorage",
    "hawaii": "Pacific/Honolulu",
}


def zones_of(number: int) -> tuple[str, ...]:
    """The zones that a number may be in, by its first digits; () when unknown.

    Several when its digits do not tell; the strictest hours are those of all of them.
    """
    # All numbers of a North American exchange (1, area code, exchange) are in one
    # place, so that one of them stands for all.
    return _looked_up(number - number % 10_000 if number in _NANP else number)


@lru_cache(_KEPT)
def _looked_up(number: int) -> tuple[str, ...]:
    parsed = phonenumbers.parse(f"+{number}")
    zones = number_zones.time_zones_for_number(parsed)
    return tuple(zone for zone in zones if zone != _UNKNOWN)


@lru_cache(1024)
def zone_named(text: str) -> str | None:
    """The zone that somebody wrote: `America/New_York`, or `Eastern`; None for none."""
    name = text.strip()
    name = _SHORT.get(name.casefold().removesuffix(" time"), name)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return name


@lru_cache(1024)
def timeline(zone: str, start: datetime) -> Timeline:
    """How far a zone's clock is ahead of UTC, from `start` for `HORIZON_DAYS`."""
    changes = tuple(_changes(ZoneInfo(zone), start.astimezone(UTC)))
    return ((0, changes[0][1]), *changes[1:])


def _changes(zone: ZoneInfo, start: datetime) -> Iterator[tuple[int, int]]:
    ahead = _ahead(zone, start)
    yield 0, ahead
    for day in range(HORIZON_DAYS):
        at = start + timedelta(days=day)
        if _ahead(zone, at + timedelta(days=1)) != ahead:
            since = _change(zone, at, at + timedelta(days=1))
            ahead = _ahead(zone, since)
            yield int(since.timestamp() * 1000), ahead


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first moment with the new time, to the second, by halving."""
    old = _ahead(zone, before)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _ahead(zone, datetime.fromtimestamp(middle, UTC)) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _ahead(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None  # every moment has one in every zone
    return int(offset.total_seconds() * 1000)
