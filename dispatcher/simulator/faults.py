"""The faults that can be ordered, and how often each one strikes.

Says which fault a send request meets, never what the fault looks like on the wire
(`misbehaviour`). Searches and tokens meet none. At most one fault strikes a request;
of the faults of callbacks each has a share of its own, and several may meet.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING

from dispatcher.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random


class Fault(StrEnum):
    """Everything that can be made to go wrong."""

    # Answered, and the message was not taken.
    QUEUE_FULL = "429"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    EMPTY_500 = "empty-500"
    HTML_500 = "html-500"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    # Not answered, and the message was not taken.
    HANG = "hang"
    DROP_BEFORE = "drop-before"
    # The message was taken, and the answer is lost or spoilt.
    HANG_AFTER = "hang-after"
    DROP_AFTER = "drop-after"
    HALF_ANSWER = "half-answer"
    BAD_JSON = "bad-json-202"
    # Answered as without the fault, but late, or with the door shut afterwards.
    SLOW = "slow"
    REFUSE = "refuse"
    # The message was taken; the share is one of messages, recipients or callbacks.
    EARLY = "callback-early"  # messages: callbacks overtake our answer
    INVALID = "callback-failed-then-delivered"  # messages: one member is invalid
    FOREIGN = "callback-foreign"  # messages: one of somebody else's comes along
    UNKNOWN_TYPE = "callback-unknown-type"  # recipients: an event nobody knows
    FAILED = "callback-failed"  # recipients
    NO_FINAL = "callback-no-final"  # recipients: nothing after message-sending
    SENT = "callback-sent"  # recipients: message-sent between sending and the end
    SHUFFLED = "callback-shuffled"  # recipients: the last event comes first
    DOUBLED = "callback-doubled"  # callbacks
    LATE = "callback-late"  # callbacks

    @property
    def of_callbacks(self) -> bool:
        """Whether it strikes what is told after a message was taken."""
        return self.startswith("callback-")


def parse_faults(orders: Iterable[str]) -> dict[Fault, float]:
    """Read orders of the form `KIND=SHARE`; of two for one kind the last counts.

    Raises:
        InvalidInput: A kind is unknown, a share is no number from 0 to 1, or the
            shares of a request's faults add up to more than 1.
    """
    shares: dict[Fault, float] = {}
    for order in orders:
        kind, _, share = order.partition("=")
        shares[_kind(kind)] = _share(order, share)
    check_shares(shares)
    return shares


def named_faults(shares: Mapping[str, float]) -> dict[Fault, float]:
    """Turn the names of kinds into kinds.

    Raises:
        InvalidInput: As `parse_faults`.
    """
    known = {_kind(kind): share for kind, share in shares.items()}
    check_shares(known)
    return known


def check_shares(shares: Mapping[Fault, float]) -> None:
    """Refuse shares that cannot be drawn from.

    Raises:
        InvalidInput: A share is not from 0 to 1, or those of the faults of which a
            request meets one add up to more than 1.
    """
    for kind, share in shares.items():
        if not 0 <= share <= 1:
            raise InvalidInput(f"the share of fault {kind} must be from 0 to 1")
    # A tenth ten times is not quite one in binary.
    of_requests = (share for kind, share in shares.items() if not kind.of_callbacks)
    if sum(of_requests) > 1 + 1e-9:
        raise InvalidInput("the shares of all faults together must not exceed 1")


def _kind(name: str) -> Fault:
    try:
        return Fault(name.strip())
    except ValueError:
        kinds = ", ".join(Fault)
        raise InvalidInput(
            f"unknown fault {name.strip()!r}; the kinds are {kinds}"
        ) from None


def _share(order: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(
            f"{order!r} is not KIND=SHARE with a share from 0 to 1"
        ) from None


class FaultPlan:
    """Draws the fault that strikes the next send request, if any.

    The same seed and shares give the same faults in the same order of arrival.

    Attributes:
        of_callbacks: The shares of the faults of callbacks, those above 0.
    """

    def __init__(self, shares: Mapping[Fault, float], random: Random) -> None:
        self._random = random
        self.order(shares)

    def order(self, shares: Mapping[Fault, float]) -> None:
        """Replace all shares.

        Raises:
            InvalidInput: The shares cannot be drawn from.
        """
        check_shares(shares)
        kinds = [kind for kind in shares if not kind.of_callbacks]
        bounds = accumulate(shares[kind] for kind in kinds)
        self._bounds = list(zip(bounds, kinds, strict=True))
        self.of_callbacks = {
            kind: share
            for kind, share in shares.items()
            if kind.of_callbacks and share > 0
        }

    def draw(self) -> Fault | None:
        """The fault for one request; None for most, as the shares say."""
        if not self._bounds:
            return None
        point = self._random.random()
        return next((fault for bound, fault in self._bounds if point < bound), None)

    def coin(self) -> bool:
        """One of two, evenly; for faults that come in two shapes."""
        return self._random.getrandbits(1) == 1
