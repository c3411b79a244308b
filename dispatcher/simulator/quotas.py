"""How much the provider lets in: the account's queue, and searches per address.

Pure arithmetic on a clock that the caller passes; never waits.
"""

from __future__ import annotations

import math
from typing import Final

#: Seconds in which `SearchQuota` counts; the provider's own figure.
SEARCH_WINDOW: Final = 300.0


class AccountQueue:
    """A queue that is drained at a steady rate and refuses what does not fit.

    Args:
        rate: Units drained a second.
        depth: Units it can hold.
    """

    def __init__(self, rate: float, depth: float) -> None:
        self._rate = rate
        self._depth = depth
        self._level = 0.0
        self._at = -math.inf

    def put(self, units: int, now: float) -> bool:
        """Queue the units, all or none; False if they do not fit."""
        level = self.level(now)
        if level + units > self._depth:
            return False
        self._level = level + units
        self._at = max(self._at, now)
        return True

    def level(self, now: float) -> float:
        """Units waiting. A clock that goes back drains nothing."""
        return max(0.0, self._level - max(0.0, now - self._at) * self._rate)


class SearchQuota:
    """Counts requests of each address in fixed windows.

    Args:
        limit: Requests that one address may make in a window.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._windows: dict[str, tuple[float, int]] = {}

    def refused_for(self, peer: str, now: float) -> int | None:
        """Count one request; whole seconds to wait if it is one too many."""
        start, count = self._windows.get(peer, (now, 0))
        if now - start >= SEARCH_WINDOW:
            start, count = now, 0
        if count >= self._limit:
            return math.ceil(start + SEARCH_WINDOW - now)
        self._windows[peer] = (start, count + 1)
        return None
