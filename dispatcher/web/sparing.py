"""Logging what strangers can cause: told at once, then counted for a while.

Otherwise whoever may send requests decides how fast a disk fills.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from typing import Final

#: Seconds between two lines about the same thing.
EVERY_S: Final = 10.0


class Sparing:
    """Says whether it is time to tell of something again.

    The things told apart must be few: each is remembered.

    Args:
        clock: Gives seconds, from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[Hashable, float] = {}
        self._times: dict[Hashable, int] = {}

    def __call__(self, what: Hashable) -> int:
        """How often it happened since it was told last; 0: not yet time to tell."""
        times = self._times.get(what, 0) + 1
        now = self._clock()
        if now < self._next.get(what, now):
            self._times[what] = times
            return 0
        self._times[what] = 0
        self._next[what] = now + EVERY_S
        return times


class SparingFilter(logging.Filter):
    """The same for a library's logger: for the lines that have no values in them."""

    def __init__(self) -> None:
        super().__init__()
        self._sparing = Sparing()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        return bool(record.args or record.exc_info or self._sparing(record.msg))
