"""When a campaign would be through: arithmetic over permitted rates and sending hours.

It knows no faults, no other campaigns and no provider slower than its limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatcher.hours import Rule
from dispatcher.lanes import Lane

#: Steps of a forecast under hours: a day has a few for each lane, so that this is many
#: years. Then it says so far and no farther.
_STEPS: Final = 100_000


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
) -> Forecast:
    """Forecast a campaign that has the account for itself.

    Args:
        units: What it costs.
        rates: Permitted units per second; None is no limit.
        now: The time, with a zone.
        starts_at: When it may begin; None or past: now.
        hours: Units by the hours at which they may be sent; none: at any hour.
    """
    rate = min((rate for rate in rates if rate is not None), default=None)
    begin = max(now, starts_at or now)
    if hours:
        return _within(hours, rate, begin)
    return Forecast(begin, 0.0 if rate is None else units / rate)


def by_hours(
    lanes: Sequence[Lane], units: float, groups: int
) -> list[tuple[Rule, float]]:
    """What may be sent at which hours; a group costs what one does on average."""
    return [(lane.rule, (lane.end - lane.first) * units / groups) for lane in lanes]


def _within(
    hours: Sequence[tuple[Rule, float]], rate: float | None, begin: datetime
) -> Forecast:
    """Send lane after lane, the one that closes first before the others."""
    left = dict(hours)
    at = start = begin.timestamp() * 1000
    first = None
    for _ in range(_STEPS):
        if not left:
            break
        opening = {rule: rule.opens_in(int(at)) or 0 for rule in left}
        now_open = [rule for rule, wait in opening.items() if wait == 0]
        if not now_open:
            at += min(opening.values())
            continue
        first = at if first is None else first
        rule = min(now_open, key=lambda rule: rule.closes_in(int(at)))
        at += _sent(rule, left, rate, at)
    started = start if first is None else first
    moment = begin + timedelta(milliseconds=started - start)
    return Forecast(moment, (at - started) / 1000)


def _sent(rule: Rule, left: dict[Rule, float], rate: float | None, at: float) -> float:
    """Send one lane until it is through or closes; milliseconds that took."""
    needed = 0.0 if rate is None else left[rule] / rate * 1000
    span = min(needed, float(rule.closes_in(int(at))))
    if span >= needed:
        del left[rule]
    else:
        assert rate is not None  # without one nothing is needed
        left[rule] -= span / 1000 * rate
        span += 1  # past the closing, not just before it
    return span
