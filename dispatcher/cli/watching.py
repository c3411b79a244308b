"""What `dispatcher watch` shows, as data: computed from looks at a campaign. No I/O."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from dispatcher.ledger.rows import CampaignRow
from dispatcher.pauses import what_to_do
from dispatcher.results import Progress
from dispatcher.results import progress as progress_of
from dispatcher.words import count, duration, state_and_reason, used_up

#: Seconds over which the rate is taken: steady to look at, and no history.
WINDOW_S: Final = 10.0
_LONGEST_WINDOW_S: Final = 60.0
#: Units that a window should hold: units come in groups of up to ten.
_WINDOW_UNITS: Final = 50.0
#: Seconds between two looks before they say anything about a rate.
_SHORTEST_S: Final = 2.0
#: Seconds without a change after which it is worth asking why.
QUIET_S: Final = 5.0
#: Groups in these states have their units still before them.
_UNSENT: Final = ("pending", "claimed", "retry")
#: While a group is in one of these, a campaign moves.
_MOVING: Final = ("pending", "claimed", "sending")


@dataclass(frozen=True, slots=True)
class Look:
    """A campaign at one moment.

    Attributes:
        at: Seconds of the ledger's clock.
        sent_units: Units that were let through to the provider so far.
        starts_at: When it may begin, seconds since the epoch; 0 is at once.
        pace: Its own limit, units a second.
    """

    at: float
    sent_units: int
    progress: Progress
    starts_at: float = 0.0
    pace: float | None = None

    @classmethod
    def of(cls, row: CampaignRow, now_ms: float, capped_until: float = 0) -> Look:
        """A stored campaign, as of now; `capped_until` as `results.progress` has it."""
        return cls(
            at=now_ms / 1000,
            sent_units=row.gated_units,
            progress=progress_of(row, now_ms, capped_until),
            starts_at=row.starts_at / 1000,
            pace=json.loads(row.spec or "{}").get("pace"),
        )

    @property
    def _signature(self) -> tuple[Any, ...]:
        now = self.progress
        counts = (*now.counts.values(), *now.delivery.values())
        return (now.state, now.reason, self.sent_units, *counts)

    def same_as(self, other: Look) -> bool:
        """Whether nothing happened between the two."""
        return self._signature == other._signature


class Pulse:
    """What several looks tell and one does not: the rate now, the last change."""

    def __init__(self) -> None:
        self._looks: deque[Look] = deque()
        self._first: float | None = None
        self._changed: float | None = None

    def see(self, look: Look, window_s: float = WINDOW_S) -> None:
        """Take in the next look; the rate is that of the last `window_s` seconds."""
        if self._looks and not look.same_as(self._looks[-1]):
            self._changed = look.at
        if self._first is None:
            self._first = look.at
        self._looks.append(look)
        # One look from before the window stays: its rate begins there.
        while len(self._looks) > 1 and look.at - self._looks[1].at >= window_s:
            self._looks.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second over the last seconds; None while there is nothing to say."""
        first, last = self._looks[0], self._looks[-1]
        seconds = last.at - first.at
        if seconds < _SHORTEST_S:
            return None
        return (last.sent_units - first.sent_units) / seconds

    @property
    def quiet(self) -> float:
        """Seconds since something changed, or since the first look."""
        since = self._changed or self._first or 0.0
        return max(0.0, self._looks[-1].at - since)

    @property
    def seen_change(self) -> bool:
        """Whether anything changed since the first look."""
        return self._changed is not None


@dataclass(frozen=True, slots=True)
class View:
    """One campaign as it is shown.

    Attributes:
        rate: Units a second now.
        limit: The lowest of the permitted rates; None for no limit.
        limited_by: Whose rate that is.
        errors: Failed groups by error code.
        workers: Living worker processes; None where nobody asked.
    """

    look: Look
    rate: float | None
    quiet: float
    seen_change: bool
    limit: float | None
    limited_by: str
    errors: Mapping[str, int] = field(default_factory=dict)
    workers: int | None = None

    @property
    def progress(self) -> Progress:
        """Its counts."""
        return self.look.progress

    @property
    def active(self) -> bool:
        """Whether it sends, or would."""
        return self.progress.state == "running"

    @property
    def left(self) -> float | None:
        """Seconds to the end at the rate of now; None while that says nothing."""
        now = self.progress
        if not self.active or not self.rate or not now.groups:
            return None
        groups = sum(now.counts[state] for state in _UNSENT)
        # A burst makes the rate of now look better than it can stay.
        rate = self.rate if self.limit is None else min(self.rate, self.limit)
        return groups * (now.units / now.groups) / rate

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and values, in the order of their weight."""
        now = self.progress
        if self.active:
            yield "rate", self._rate()
            yield "time left", self._left()
        if now.state == "scheduled" and self.look.starts_at:
            yield "begins", f"{_clock(self.look.starts_at):%Y-%m-%d %H:%M:%S}"
        if now.doubled:
            yield "doubled", f"{count(now.doubled, 'message')} reached somebody twice"
        if self.active:
            yield "last change", self._last_change()
        if now.capped_until:
            yield "waits", used_up(now.capped_until)
        if self.workers == 0 and self.active:
            yield "no worker", "nothing is sent until one runs: dispatcher worker"

    def _rate(self) -> str:
        told = "..." if self.rate is None else f"{self.rate:,.1f} units/s"
        if self.limit is None:
            return f"{told}, no limit is set"
        return f"{told}, at most {self.limit:,g} ({self.limited_by})"

    def _left(self) -> str:
        counts = self.progress.counts
        if counts["retry"] and not any(counts[state] for state in _MOVING):
            return f"{count(counts['retry'], 'group')} to be tried again later"
        return "not known yet" if self.left is None else duration(self.left)

    def _last_change(self) -> str:
        ago = duration(self.quiet)
        if self.seen_change:
            return f"{ago} ago" if self.quiet >= 1 else "just now"
        return f"none for {ago}"

    def line(self) -> str:
        """All of it in one line."""
        now = self.progress
        parts = [
            f"{state_and_reason(now.state, now.reason):<9}",
            f"{now.settled:,} of {count(now.groups, 'group')}",
        ]
        if self.active:
            parts += [self._rate(), f"time left: {self._left()}"]
        parts += [
            f"{now.counts[state]:,} {state}"
            for state in ("retry", "failed", "unknown", "held")
            if now.counts[state]
        ]
        parts += [
            f"{now.delivery[state]:,} {told}"
            for state, told in (("delivered", "delivered"), ("failed", "undelivered"))
            if now.delivery.get(state)
        ]
        if self.workers == 0 and self.active:
            parts.append("no worker runs")
        if now.capped_until:
            parts.append(used_up(now.capped_until))
        return "  ".join(parts)

    def as_row(self) -> dict[str, Any]:
        """The form of `watch --json`: that of `status`, and the rate now."""
        return self.progress.as_row() | {
            "rate_now": self.rate,
            "rate_permitted": self.limit,
            "seconds_since_change": round(self.quiet, 3),
        }

    def verdict(self) -> str:
        """What came of it, and what to do; for a campaign that came to rest."""
        now = self.progress
        what = state_and_reason(now.state, now.reason)
        if now.state == "paused":
            advice = what_to_do(now.reason) or "resume it when you like"
            return f"{what}: {advice}\n  dispatcher resume {now.id}"
        return f"{what}; what became of every group:\n  dispatcher results {now.id}"


def lowest(
    account: float | None, sender: float | None, pace: float | None
) -> tuple[float | None, str]:
    """The lowest of the permitted rates, and whose it is."""
    rates = {"account": account, "sender": sender, "pace": pace}
    known = [(rate, name) for name, rate in rates.items() if rate is not None]
    return min(known) if known else (None, "")


def window(limit: float | None) -> float:
    """Seconds over which a rate up to this limit is steady to look at."""
    if limit is None:
        return WINDOW_S
    return min(max(WINDOW_S, _WINDOW_UNITS / limit), _LONGEST_WINDOW_S)


def _clock(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone()
