"""When a campaign would be through: arithmetic over rates, hours and the day's cap.

It knows no faults, no other campaigns and no provider slower than its limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from dispatcher.hours import DAY_MS, Rule
from dispatcher.lanes import Lane

#: Steps of a forecast under hours: a day has a few for each lane, so that this is many
#: years. Then it says so far and no farther.
_STEPS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Day:
    """What the account may send from one midnight UTC to the next.

    Attributes:
        cap: Units.
        used: Those of this day that are sent already.
    """

    cap: float
    used: float = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """When sending would begin and end.

    Attributes:
        starts_at: Has a time zone.
        seconds: From begin to end; 0 when nothing limits the rate.
    """

    starts_at: datetime
    seconds: float

    @property
    def ends_at(self) -> datetime:
        """The time of the last send."""
        return self.starts_at + timedelta(seconds=self.seconds)

    def as_row(self) -> dict[str, str | float]:
        """The form of `submit --dry-run --json`."""
        return {
            "starts_at": self.starts_at.isoformat(timespec="seconds"),
            "ends_at": self.ends_at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
        }


def forecast(
    units: float,
    rates: Iterable[float | None],
    *,
    now: datetime,
    starts_at: datetime | None = None,
    hours: Sequence[tuple[Rule, float]] = (),
    day: Day | None = None,
) -> Forecast:
    """Forecast a campaign that has the account for itself.

    Args:
        units: What it costs.
        rates: Permitted units per second; None is no limit.
        now: The time, with a zone.
        starts_at: When it may begin; None or past: now.
        hours: Units by the hours at which they may be sent; none: at any hour.
        day: The account's cap on the units of a day; None is none.
    """
    rate = min((rate for rate in rates if rate is not None), default=None)
    begin = max(now, starts_at or now)
    if not hours and day is None:
        return Forecast(begin, 0.0 if rate is None else units / rate)
    lanes: Sequence[tuple[_Hours, float]] = hours or [(_Always(), units)]
    return _within(lanes, rate, begin, _Allowance(day, now.timestamp() * 1000))


def by_hours(
    lanes: Sequence[Lane], units: float, groups: int
) -> list[tuple[Rule, float]]:
    """What may be sent at which hours; a group costs what one does on average."""
    return [(lane.rule, (lane.end - lane.first) * units / groups) for lane in lanes]


class _Hours(Protocol):
    """When something may be sent; see `hours.Rule`."""

    def opens_in(self, now: int, /) -> int | None: ...

    def closes_in(self, now: int, /) -> int: ...


class _Always:
    """No hours: open, and asked again a day later."""

    def opens_in(self, _: int) -> int:
        return 0

    def closes_in(self, _: int) -> int:
        return DAY_MS


class _Allowance:
    """What is left of each day's units as time goes by; times in ms."""

    def __init__(self, day: Day | None, at: float) -> None:
        self._cap = math.inf if day is None else day.cap
        self._left = math.inf if day is None else max(0.0, day.cap - day.used)
        self._date = at // DAY_MS

    def left(self, at: float) -> float:
        """Units that may be sent before the next midnight."""
        if at // DAY_MS > self._date:
            self._date, self._left = at // DAY_MS, self._cap
        return self._left

    def take(self, units: float) -> None:
        self._left -= units

    def ends_in(self, at: float) -> float:
        """Milliseconds until midnight."""
        return math.inf if self._cap == math.inf else DAY_MS - at % DAY_MS


def _within(
    hours: Sequence[tuple[_Hours, float]],
    rate: float | None,
    begin: datetime,
    allowance: _Allowance,
) -> Forecast:
    """Send lane after lane, the one that closes first before the others."""
    left = dict(hours)
    at = start = begin.timestamp() * 1000
    first = None
    for _ in range(_STEPS):
        if not left:
            break
        if wait := _wait(left, allowance, at):
            at += wait
            continue
        first = at if first is None else first
        now_open = [rule for rule in left if rule.opens_in(int(at)) == 0]
        rule = min(now_open, key=lambda rule: rule.closes_in(int(at)))
        at += _sent(rule, left, rate, at, allowance)
    started = start if first is None else first
    moment = begin + timedelta(milliseconds=started - start)
    return Forecast(moment, (at - started) / 1000)


def _wait(left: dict[_Hours, float], allowance: _Allowance, at: float) -> float:
    """Milliseconds until something may be sent."""
    if not allowance.left(at):
        return allowance.ends_in(at)
    return min(rule.opens_in(int(at)) or 0 for rule in left)


def _sent(
    rule: _Hours,
    left: dict[_Hours, float],
    rate: float | None,
    at: float,
    allowance: _Allowance,
) -> float:
    """Send one lane until it or the day is through, or it closes; ms that took."""
    units = min(left[rule], allowance.left(at))
    needed = 0.0 if rate is None else units / rate * 1000
    span = min(needed, float(rule.closes_in(int(at))), allowance.ends_in(at))
    if rate is not None and span < needed:
        units = span / 1000 * rate
        span += 1  # past the closing, not just before it
    allowance.take(units)
    left[rule] -= units
    if not left[rule]:
        del left[rule]
    return span
