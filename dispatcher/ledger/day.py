"""The account's units of one day, where they are capped: how many, and are any left.

The gate counts them (gate.lua); here they are only read. A day goes from one midnight
UTC to the next. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from dispatcher.hours import DAY_MS
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger


def used_up_until(ledger: Ledger, now_ms: float) -> float:
    """When sending goes on, if the day's units are used up; else 0."""
    _, full = _read(ledger, now_ms)
    return (int(now_ms) // DAY_MS + 1) * DAY_MS if full else 0


def used_units(ledger: Ledger, now_ms: float) -> int:
    """Units sent this day."""
    return _read(ledger, now_ms)[0]


def _read(ledger: Ledger, now_ms: float) -> tuple[int, int]:
    """The day's units, and the cap that they are up to (0 while some are left)."""
    stored = {name: int(value) for name, value in ledger.pages_of(key("day"))}
    if stored.get(b"day", 0) < int(now_ms) // DAY_MS:
        return 0, 0
    return stored[b"units"], stored[b"full"]
