"""When a campaign would be through: arithmetic over the permitted rates.

It knows no faults, no other campaigns and no provider slower than its limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


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
    units: int,
    rates: Iterable[float | None],
    *,
    now: datetime,
    starts_at: datetime | None = None,
) -> Forecast:
    """Forecast a campaign that has the account for itself.

    Args:
        units: What it costs.
        rates: Permitted units per second; None is no limit.
        now: The time, with a zone.
        starts_at: When it may begin; None or past: now.
    """
    limits = [rate for rate in rates if rate is not None]
    seconds = units / min(limits) if limits else 0.0
    return Forecast(max(now, starts_at or now), seconds)
