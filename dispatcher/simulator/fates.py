"""What becomes of a message that was taken, recipient by recipient.

Decided the moment it is taken, so that callbacks, searches and the truth told to
tests agree however late each of them comes. Chance and shares are passed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from dispatcher.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from dispatcher.simulator.faults import FaultPlan

#: In place of an error code: the recipient got the message.
DELIVERED: Final = 0
#: In place of an error code: nobody will ever say what happened.
UNTOLD: Final = -1
#: Of the member that the provider first fails and then reports as delivered.
INVALID_CODE: Final = 4720
#: Of every recipient of a message whose media could not be fetched.
NO_MEDIA: Final = 4410


class Fate(msgspec.Struct, frozen=True):
    """The end of one message for one recipient.

    Attributes:
        state: `delivered`, `failed`, or `none` if no final event is ever told.
        code: Of a failure; else None.
    """

    state: str
    code: int | None = None


class Told(msgspec.Struct, frozen=True):
    """The end of one message for one recipient, with their names."""

    id: str
    to: str
    fate: Fate


def fate_of(code: int) -> Fate:
    """An end as tests read it."""
    if code == DELIVERED:
        return Fate("delivered")
    return Fate("none") if code == UNTOLD else Fate("failed", code)


class Standing(NamedTuple):
    """How a message stands for one recipient at some time, as a search tells it."""

    status: str
    code: int | None = None


def standing_of(code: int, start: float, end: float, now: float) -> Standing:
    """How a message taken at `start` and over at `end` stands."""
    if now < (start + end) / 2:
        return Standing("RECEIVED")
    if now < end or code == UNTOLD:
        return Standing("SENDING")
    return Standing("FAILED", code) if code else Standing("DELIVERED")


class Outlook(msgspec.Struct, frozen=True):
    """The end of one message for all of its recipients.

    Attributes:
        codes: One for each recipient; empty if all get the message.
        after: Seconds from the message to its end.
        early: Its callbacks come before the answer to the send call.
        invalid: Place of the member that fails first and is delivered afterwards.
    """

    codes: tuple[int, ...] = ()
    after: float = 0.0
    early: bool = False
    invalid: int | None = None


class Fates:
    """Draws outlooks.

    Args:
        faults: The shares of what goes wrong.
        codes: What failures draw from.
        mean: Seconds from a message to its end, on average.
        random: The source of chance.
    """

    def __init__(
        self,
        faults: FaultPlan,
        *,
        codes: Sequence[int],
        mean: float,
        random: Random,
    ) -> None:
        self._faults = faults
        self._codes = codes
        self._mean = mean
        self._random = random

    def strikes(self, kind: Fault) -> bool:
        """Whether a fault meets what is being looked at."""
        share = self._faults.of_callbacks.get(kind)
        return share is not None and self._random.random() < share

    def draw(self, recipients: int, *, no_media: bool = False) -> Outlook:
        """The outlook of the next message; without its media it fails."""
        after = self._random.expovariate(1.0) * self._mean
        if no_media:
            return Outlook((NO_MEDIA,) * recipients, after)
        if not self._faults.of_callbacks:
            return Outlook(after=after)
        early = self.strikes(Fault.EARLY)
        after = 0.0 if early else after
        if self.strikes(Fault.INVALID):
            place = self._random.randrange(recipients)
            codes = tuple(INVALID_CODE * (i == place) for i in range(recipients))
            return Outlook(codes, after, early, place)
        codes = tuple(self._code() for _ in range(recipients))
        return Outlook(codes if any(codes) else (), after, early)

    def _code(self) -> int:
        if self.strikes(Fault.FAILED):
            return self._random.choice(self._codes)
        return UNTOLD if self.strikes(Fault.NO_FINAL) else DELIVERED
