"""Sending hours: between which times of their own clocks people may be written to.

Pure arithmetic. It knows no list, no ledger and no rate; `lanes.lua` does the same sums
at the gate, over the text that `Rule.stored` writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self, TypeAlias

from dispatcher.errors import InvalidInput

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
_DAY_MIN: Final = 24 * 60
#: Minutes between two looks for an hour that suits everybody; a shorter one is none.
_STEP_MIN: Final = 15
#: Steps of a search for the next opening: each goes to a day's opening of one zone or
#: to a change of its clock. People who share an hour need a handful.
_STEPS: Final = 200

_SPAN: Final = re.compile(
    r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*([01]?[0-9]|2[0-3]):([0-5][0-9])"
)

#: How far a zone's clock is ahead of UTC: (from when on, by how much), both ms.
Timeline: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """Daily sending hours by a local clock.

    Attributes:
        opens: Minutes after midnight.
        closes: Likewise; before `opens` when the hours go over midnight.
    """

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `09:00-20:00`.

        Raises:
            InvalidInput: It is not two different times of day.
        """
        match = _SPAN.fullmatch(text.strip())
        if match:
            opens, closes = (int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3))
            if opens != closes:
                return cls(opens, closes)
        raise InvalidInput(
            "write hours as two different times of day, such as 09:00-20:00"
        )

    @property
    def others(self) -> Hours:
        """The rest of the day: quiet hours of sending hours, and the reverse."""
        return Hours(self.closes, self.opens)

    def __str__(self) -> str:
        return f"{_clock(self.opens)}-{_clock(self.closes)}"

    def shortened(self, minutes: int) -> Hours:
        """The same, ending so much earlier.

        Raises:
            InvalidInput: Nothing is left of them.
        """
        left = (self.closes - self.opens) % _DAY_MIN - minutes
        if left < _STEP_MIN:
            raise InvalidInput(
                f"the hours {self} are too short: {minutes} minutes before their end "
                "nothing more is sent (DISPATCHER_HOURS_MARGIN)"
            )
        return Hours(self.opens, (self.opens + left) % _DAY_MIN)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True)
class Rule:
    """Sending hours of people in one or more zones: open when all of them are.

    Attributes:
        hours: By each of their clocks.
        timelines: Their clocks.
    """

    hours: Hours
    timelines: frozenset[Timeline]

    def stored(self) -> str:
        """As the ledger keeps it: `opens closes;from:ahead,...;...`, all in ms."""
        zones = (
            ",".join(f"{since}:{ahead}" for since, ahead in timeline)
            for timeline in sorted(self.timelines)
        )
        opens, closes = self.hours.opens * MINUTE_MS, self.hours.closes * MINUTE_MS
        return ";".join((f"{opens} {closes}", *zones))

    @classmethod
    def parse(cls, stored: str) -> Self:
        """Read what `stored` wrote."""
        head, *zones = stored.split(";")
        opens, closes = (int(ms) // MINUTE_MS for ms in head.split())
        return cls(Hours(opens, closes), frozenset(map(_timeline, zones)))

    def opens_in(self, now: int) -> int | None:
        """Milliseconds until all are open; 0 when they are, None when never."""
        at = now
        for _ in range(_STEPS):
            later = max(self._next(timeline, at) for timeline in self.timelines)
            if later == at:
                return at - now
            at = later
        return None

    def closes_in(self, now: int) -> int:
        """Milliseconds until the first of them closes; only when all are open."""
        return min(self._left(timeline, now) for timeline in self.timelines)

    def _next(self, timeline: Timeline, at: int) -> int:
        """When this zone opens, or its clock changes if that is sooner."""
        ahead, change = _ahead(timeline, at)
        opens, closes = self._ms
        clock = (at + ahead) % DAY_MS
        if (clock - opens) % DAY_MS < (closes - opens) % DAY_MS:
            return at
        opening = at + (opens - clock) % DAY_MS
        return opening if change is None else min(opening, change)

    def _left(self, timeline: Timeline, at: int) -> int:
        ahead, change = _ahead(timeline, at)
        left = (self._ms[1] - at - ahead) % DAY_MS
        return left if change is None else min(left, change - at)

    @cached_property
    def _ms(self) -> tuple[int, int]:
        return self.hours.opens * MINUTE_MS, self.hours.closes * MINUTE_MS

    @cached_property
    def has_common_hours(self) -> bool:
        """Whether all are open at the same time on every day, whatever the season."""
        changes = {since for timeline in self.timelines for since, _ in timeline}
        return all(any(self._all_open(change)) for change in changes)

    def _all_open(self, since: int) -> Iterator[bool]:
        """A look at every quarter of the day that follows, clocks standing still."""
        aheads = {_ahead(timeline, since)[0] for timeline in self.timelines}
        opens, closes = self._ms
        length = (closes - opens) % DAY_MS
        for minute in range(0, _DAY_MIN, _STEP_MIN):
            at = minute * MINUTE_MS
            yield all((at + ahead - opens) % DAY_MS < length for ahead in aheads)


def _ahead(timeline: Timeline, at: int) -> tuple[int, int | None]:
    """By how much the clock is ahead then, and when that changes next."""
    ahead = timeline[0][1]
    for since, next_ahead in timeline:
        if since > at:
            return ahead, since
        ahead = next_ahead
    return ahead, None


def _timeline(text: str) -> Timeline:
    pairs: Iterable[list[str]] = (pair.split(":") for pair in text.split(","))
    return tuple((int(since), int(ahead)) for since, ahead in pairs)
