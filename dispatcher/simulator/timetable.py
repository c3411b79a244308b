"""Which events a recipient's callbacks tell, and when each of them is told.

The orderly course first, then the disorder that was asked for. Knows neither mail nor
sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dispatcher.simulator.callbacks import (
    DELIVERED,
    FAILED,
    SENDING,
    SENT,
    Callback,
    Letter,
)
from dispatcher.simulator.fates import UNTOLD, Fates, Outlook
from dispatcher.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

#: Types that a receiver has no use for: documented ones, and one from the future.
STRANGE_TYPES: Final = ("message-read", "suggestion-response", "message-undreamt-of")


class Journey(NamedTuple):
    """One message to one recipient.

    Attributes:
        start: Epoch seconds at which the message was taken.
        end: Epoch seconds of its end.
        outlook: Of the whole message.
        place: Of the recipient.
        number: Of the recipient.
        kind: `mms` or `sms`.
        letter: The message, for its callbacks.
    """

    start: float
    end: float
    outlook: Outlook
    place: int
    number: str
    kind: str
    letter: Letter

    def event(self, kind: str, time: float, code: int = 0) -> Callback:
        """A callback about this recipient."""
        return Callback(
            type=kind, time=time, to=self.number, code=code, letter=self.letter
        )


class Timetable:
    """Plans callbacks.

    Args:
        fates: Say which disorder strikes.
        mean: Seconds around which events spread.
        late: Seconds that a late callback is held back.
        random: The source of chance.
    """

    def __init__(
        self, fates: Fates, *, mean: float, late: float, random: Random
    ) -> None:
        self._fates = fates
        self._mean = mean
        self._late = late
        self._random = random

    def plan(self, journey: Journey) -> Iterator[tuple[float, Callback]]:
        """The callbacks about one recipient, each with the time it is due."""
        events = [*self._under_way(journey), *self._ends(journey)]
        dues = [event.time for event in events]
        if self._fates.strikes(Fault.SHUFFLED):
            dues.reverse()
        for due, event in zip(dues, events, strict=True):
            yield from self.disturbed(due, event)

    def disturbed(
        self, due: float, event: Callback
    ) -> Iterator[tuple[float, Callback]]:
        """A callback, perhaps late, perhaps twice."""
        if self._fates.strikes(Fault.LATE):
            due += self._late
        yield due, event
        if self._fates.strikes(Fault.DOUBLED):
            yield due + self._some(self._mean), event

    def _under_way(self, journey: Journey) -> Iterator[Callback]:
        half = (journey.end - journey.start) / 2
        moment = journey.start + self._some(half)
        # Documented for group and picture messages only.
        if journey.kind == "mms":
            yield journey.event(SENDING, moment)
        if self._fates.strikes(Fault.UNKNOWN_TYPE):
            yield journey.event(self._random.choice(STRANGE_TYPES), moment)
        if self._fates.strikes(Fault.SENT):
            yield journey.event(SENT, journey.start + half)

    def _ends(self, journey: Journey) -> Iterator[Callback]:
        outlook, end = journey.outlook, journey.end
        code = outlook.codes[journey.place] if outlook.codes else 0
        # Early ones must not miss their moment; others spread over the recipients.
        spread = 0.0 if outlook.early else self._mean
        if code == UNTOLD:
            return
        if code:
            yield journey.event(FAILED, end + self._some(spread), code)
        if outlook.invalid is not None:
            # Everybody, the invalid member too, and after it.
            yield journey.event(DELIVERED, end + spread)
        elif not code:
            yield journey.event(DELIVERED, end + self._some(spread))

    def _some(self, seconds: float) -> float:
        return self._random.random() * seconds
