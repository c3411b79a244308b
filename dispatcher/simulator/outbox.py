"""Callbacks that wait: which one is due, and what follows from an answer to it.

At least once: what was not acknowledged comes again, with growing pauses, for a day.
Pure but for the clock readings that the caller passes; it never waits.
"""

from __future__ import annotations

from enum import Enum, auto
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from dispatcher.simulator.callbacks import Callback

#: Seconds for which a callback is repeated; the provider's own figure.
LIFE: Final = 86_400.0
#: Doublings of the pause between tries. The provider does not publish its pauses.
_DOUBLINGS: Final = 4


class Verdict(Enum):
    """What an answer to a callback means."""

    ACKNOWLEDGED = auto()
    #: To be repeated at once, with credentials.
    CHALLENGED = auto()
    #: Not acknowledged: to be repeated later.
    AGAIN = auto()
    #: Refused without a challenge: the provider gives up at once.
    LOST = auto()


class Answer(msgspec.Struct, frozen=True):
    """What a receiver answered.

    Attributes:
        status: HTTP status.
        challenge: Whether it came with `WWW-Authenticate`.
    """

    status: int
    challenge: bool = False


class Errand(msgspec.Struct):
    """A callback on its way.

    Attributes:
        callback: What is told.
        first: Epoch seconds at which it was due first.
        tries: Times that it was not acknowledged.
        authorized: Whether it goes with credentials.
    """

    callback: Callback
    first: float
    tries: int = 0
    authorized: bool = False


class CallbackCounts(msgspec.Struct, kw_only=True):
    """What became of all callbacks so far; retries of one are not others.

    Attributes:
        posted: All.
        pending: Not acknowledged yet, and neither lost nor expired.
        acknowledged: Answered with 2xx in time.
        lost: Answered with 401 and no challenge.
        expired: Not acknowledged within 24 hours.
        requests: Requests made, those without credentials too.
    """

    posted: int = 0
    pending: int = 0
    acknowledged: int = 0
    lost: int = 0
    expired: int = 0
    requests: int = 0


class Outbox:
    """Callbacks in the order in which they are due.

    Args:
        retry_seconds: The first pause; each further one is twice as long, up to 16
            times the first.
    """

    def __init__(self, retry_seconds: float) -> None:
        self._retry = retry_seconds
        self._heap: list[tuple[float, int, Errand]] = []
        self.counts = CallbackCounts()
        self._order = 0

    @property
    def next_due(self) -> float | None:
        """When the next one is due, epoch seconds; None if none waits."""
        return self._heap[0][0] if self._heap else None

    def put(self, callback: Callback, due: float) -> None:
        """Take a callback over."""
        self.counts.posted += 1
        self.counts.pending += 1
        self._push(due, Errand(callback, due))

    def take(self, now: float) -> Errand | None:
        """The next one that is due, to be brought back by `back`."""
        while self._heap and self._heap[0][0] <= now:
            errand = heappop(self._heap)[2]
            if now - errand.first <= LIFE:
                return errand
            self.counts.expired += 1
            self.counts.pending -= 1
        return None

    def back(self, errand: Errand, answer: Answer | None, now: float) -> None:
        """Draw the consequence of an answer, or of none."""
        match verdict(errand, answer):
            case Verdict.ACKNOWLEDGED:
                self.counts.acknowledged += 1
                self.counts.pending -= 1
            case Verdict.LOST:
                self.counts.lost += 1
                self.counts.pending -= 1
            case Verdict.CHALLENGED:
                errand.authorized = True
                self._push(now, errand)
            case Verdict.AGAIN:
                self._push(now + self._pause(errand.tries), errand)
                errand.tries += 1
                # The next try begins without credentials again.
                errand.authorized = False

    def _pause(self, tries: int) -> float:
        return float(self._retry * 2 ** min(tries, _DOUBLINGS))

    def _push(self, due: float, errand: Errand) -> None:
        self._order += 1
        heappush(self._heap, (due, self._order, errand))


def verdict(errand: Errand, answer: Answer | None) -> Verdict:
    """What an answer means; None is no answer within the time."""
    if answer is None:
        return Verdict.AGAIN
    if 200 <= answer.status <= 299:  # noqa: PLR2004  # 2xx
        return Verdict.ACKNOWLEDGED
    if answer.status == 401 and not errand.authorized:  # noqa: PLR2004
        return Verdict.CHALLENGED if answer.challenge else Verdict.LOST
    return Verdict.AGAIN
