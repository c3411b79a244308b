"""The account's units of one day, where they are capped: whether any are left.

The gate counts them (gate.lua); here they are only read. A day goes from one midnight
UTC to the next. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from dispatcher.hours import DAY_MS
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger


def used_up_until(ledger: Ledger, now_ms: float) -> float:
    """When sending goes on, if the day's units are used up; else 0."""
    stored = {name: int(value) for name, value in ledger.pages_of(key("day"))}
    today = int(now_ms) // DAY_MS
    if stored.get(b"day", 0) < today or not stored.get(b"full"):
        return 0
    return (today + 1) * DAY_MS
