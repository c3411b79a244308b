"""How far the provider's clock is ahead of ours, learnt from its answers."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: Answers that count: a minute's worth at the slowest usual rate, so that a clock
#: that is set right is followed soon.
KEPT: Final = 31
#: Fewer prove nothing: one of them may have been delayed for seconds.
ENOUGH: Final = 3


class Skew:
    """A bounded median: one delayed answer or one odd time does not move it.

    Args:
        clock: Our wall clock, seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._samples: deque[float] = deque(maxlen=KEPT)

    def learn(self, provider_time: float | None) -> None:
        """Take note of an answer that has just come.

        Args:
            provider_time: What the provider's clock showed, as the answer says.
        """
        if provider_time is not None:
            self._samples.append(provider_time - self._clock())

    @property
    def seconds(self) -> float | None:
        """Seconds the provider is ahead; None when too few answers told the time."""
        if len(self._samples) < ENOUGH:
            return None
        return statistics.median(self._samples)
