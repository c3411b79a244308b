"""The states of groups and campaigns and every legal transition, as data.

This is the only place that knows what may follow what: the Lua scripts get
these tables as generated constants, and the tests walk every (state, event).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final


class GroupState(IntEnum):
    """Where one group stands; the numbers are stored and never change meaning."""

    PENDING = 0
    CLAIMED = 1
    SENDING = 2
    RETRY = 3
    ACCEPTED = 4
    FAILED = 5
    UNKNOWN = 6
    HELD = 7
    CANCELLED = 8

    @property
    def word(self) -> str:
        """The state's name as users see it."""
        return self.name.lower()


class DeliveryState(IntEnum):
    """How far a message got to one member of an accepted group, by rank.

    Events come doubled and in any order; the highest rank stays. So failed outranks
    delivered: of an invalid number the provider says first the one and then the other.
    The numbers are stored and never change meaning.
    """

    AWAITING = 0
    SENDING = 1
    SENT = 2
    UNCONFIRMED = 3
    DELIVERED = 4
    FAILED = 5

    @property
    def word(self) -> str:
        """The state's name as users see it."""
        return self.name.lower()

    @property
    def counter(self) -> str:
        """The field of a campaign that counts recipients in this state."""
        return f"delivery_{self.word}"


class CampaignState(StrEnum):
    """Where a whole campaign stands."""

    LOADING = "loading"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    ARCHIVED = "archived"


class Event(StrEnum):
    """What can happen to a group."""

    CLAIM = "claim"  # a worker reserves it
    GATE = "gate"  # it may be written now, under a new serial
    RETURN_FRESH = "return_fresh"  # handed back, never passed the gate
    RETURN_TRIED = "return_tried"  # handed back, passed the gate before
    ACCEPT = "accept"  # proof that the provider took a serial
    FAIL = "fail"  # the provider refused it for good, or attempts are used up
    RETRY = "retry"  # proven not taken; to be tried again later
    LOSE = "lose"  # nobody knows whether it was taken
    HOLD = "hold"  # unknown past its grace time
    ASK = "ask"  # a person wants it tried again
    CANCEL = "cancel"  # the campaign ended before it was sent


_S = GroupState

#: event -> {state before: state after}. What is not here is illegal.
GROUP_MOVES: Final[Mapping[Event, Mapping[GroupState, GroupState]]] = MappingProxyType(
    {
        Event.CLAIM: {_S.PENDING: _S.CLAIMED, _S.RETRY: _S.CLAIMED},
        # A quick second try goes from one serial to the next without a claim.
        Event.GATE: {_S.CLAIMED: _S.SENDING, _S.SENDING: _S.SENDING},
        Event.RETURN_FRESH: {_S.CLAIMED: _S.PENDING},
        Event.RETURN_TRIED: {_S.CLAIMED: _S.RETRY},
        Event.ACCEPT: {state: _S.ACCEPTED for state in _S if state != _S.ACCEPTED},
        Event.FAIL: {
            _S.SENDING: _S.FAILED,
            _S.UNKNOWN: _S.FAILED,
            _S.HELD: _S.FAILED,
        },
        Event.RETRY: {
            _S.SENDING: _S.RETRY,
            _S.UNKNOWN: _S.RETRY,
            _S.HELD: _S.RETRY,
        },
        Event.LOSE: {_S.SENDING: _S.UNKNOWN},
        Event.HOLD: {_S.UNKNOWN: _S.HELD},
        Event.ASK: {_S.FAILED: _S.RETRY, _S.HELD: _S.RETRY},
        Event.CANCEL: {
            _S.PENDING: _S.CANCELLED,
            _S.RETRY: _S.CANCELLED,
            _S.CLAIMED: _S.CANCELLED,
        },
    }
)

#: A campaign with a group in one of these is not done.
OPEN_STATES: Final = (_S.PENDING, _S.CLAIMED, _S.SENDING, _S.RETRY, _S.UNKNOWN)

_C = CampaignState

#: The commands a person (or a worker with a reason) gives to a campaign. Distrust is
#: the ledger's own, when it finds itself set back; vouch is said by who verified it.
#: Archived is for good: only its id and how it ended are known then.
CAMPAIGN_MOVES: Final = MappingProxyType(
    {
        "pause": {_C.SCHEDULED: _C.PAUSED, _C.RUNNING: _C.PAUSED},
        "resume": {_C.PAUSED: _C.RUNNING},
        "cancel": {
            _C.SCHEDULED: _C.CANCELLED,
            _C.RUNNING: _C.CANCELLED,
            _C.PAUSED: _C.CANCELLED,
        },
        "distrust": {
            _C.SCHEDULED: _C.PAUSED,
            _C.RUNNING: _C.PAUSED,
            _C.PAUSED: _C.PAUSED,
        },
        "vouch": {_C.PAUSED: _C.PAUSED},
        "archive": {_C.DONE: _C.ARCHIVED, _C.CANCELLED: _C.ARCHIVED},
    }
)
