"""The breaker: when the provider cannot be reached, stop asking it.

A connect failure costs a group nothing, so an outage fails no group; the
breaker only keeps an outage from being a storm. A provider that takes requests and
answers none of them costs more: every group becomes unknown. So that opens it as well.
One child's breaker is here; whether the whole account is down is decided in the ledger
(breaker.lua).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: Connect failures in a row, without an answer between them, that open it.
TRIP_AFTER: Final = 3
#: Writes of unknown outcome in a row, without an answer between them, that open it:
#: each is a group that waits for a search. When one in ten answers gets lost, five in
#: a row are rare, and then cost a second.
TRIP_AFTER_LOST: Final = 5
#: Seconds until the first probe; doubles with every probe that fails.
FIRST_COOLDOWN_S: Final = 1.0
#: Work resumes at most this long after the provider is back.
LONGEST_COOLDOWN_S: Final = 15.0


class Breaker:
    """Counts what one worker child hears of the provider.

    Args:
        clock: Seconds, never going backwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._lost = 0
        self._cooldown = 0.0
        self._probe_at = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether only a probe may go out."""
        return self._cooldown > 0

    @property
    def wait_s(self) -> float:
        """Seconds until the next probe."""
        return max(0.0, self._probe_at - self._clock())

    def failed(self) -> bool:
        """Note a connect failure; whether it opened the breaker just now."""
        self._failures += 1
        return self._trip()

    def lost(self) -> bool:
        """Note a write of unknown outcome; whether it opened the breaker just now."""
        self._lost += 1
        return self._trip()

    def _trip(self) -> bool:
        if self.is_open:
            # Not for one that was on its way before the probe.
            if self._probing:
                self._open(min(self._cooldown * 2, LONGEST_COOLDOWN_S))
            return False
        if self._failures < TRIP_AFTER and self._lost < TRIP_AFTER_LOST:
            return False
        self._open(FIRST_COOLDOWN_S)
        return True

    def answered(self) -> bool:
        """Note that the provider answered; whether it closed the breaker."""
        was_open = self.is_open
        self._failures, self._lost = 0, 0
        self._cooldown, self._probing = 0.0, False
        return was_open

    def probe(self) -> None:
        """Note that a probe goes out. Should it tell nothing, the next one waits."""
        self._probing = True
        self.postpone()

    def postpone(self) -> None:
        """Another child tries; look again after the cooldown."""
        self._probe_at = self._clock() + self._cooldown

    def _open(self, cooldown: float) -> None:
        self._cooldown, self._probing = cooldown, False
        self._probe_at = self._clock() + cooldown
