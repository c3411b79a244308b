"""Callbacks on their way into the ledger: questions that are one atomic script each.

Bodies wait in the inbox as they were received. One process at a time takes them,
works out whom they concern, and delivers. Nothing here talks to Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from dispatcher.codes import Action
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.scripts import Argument, Call

#: A process that was silent for this long lost its turn to apply.
LEASE_MS: Final = 15_000
#: Chunks swept in one script run, of up to 1280 recipients each.
SWEEP_LIMIT: Final = 4


class Answer(IntEnum):
    """What became of the deliveries of one group."""

    NEWS = 1
    KNOWN = 0
    UNPROVEN = -1
    OTHER = -2
    UNKNOWN = -3


@dataclass(frozen=True, slots=True)
class Parcel:
    """What events say about one message to one group.

    Attributes:
        slots: Packed deliveries of its members (`delivery.Slots`).
    """

    id: str
    load: str
    group: int
    message_id: str
    slots: bytes


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code asks for.

    Attributes:
        reason: Why a campaign is paused, for people.
    """

    code: int
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An action that was taken."""

    id: str
    code: int
    action: Action


def take_bodies(
    applier: str, done: int, limit: int, put_back: Sequence[bytes] = ()
) -> Call[list[bytes] | None]:
    """Say how many of the last bodies are done, and get the next.

    Args:
        applier: Who asks.
        done: Bodies of the last reply that are applied.
        limit: Bodies wanted.
        put_back: Bodies among those done that are to come again later.

    Returns:
        None when another process applies.
    """
    arguments: list[Argument] = [applier, LEASE_MS, done, limit, *put_back]
    return Call("inbox", arguments, lambda reply: reply[1:] if reply else None)


def deliver(
    rates: Rates, rules: Sequence[Rule], parcels: Sequence[Parcel]
) -> Call[tuple[list[Answer], list[Taken]]]:
    """Record deliveries; an answer for each, and the actions that followed."""
    arguments: list[Argument] = [*rates.arguments(), len(rules)]
    for rule in rules:
        arguments += (rule.code, rule.action, rule.reason)
    for parcel in parcels:
        arguments += (parcel.id, parcel.load, parcel.group)
        arguments += (parcel.message_id, parcel.slots)
    count = len(parcels)

    def read(reply: list[Any]) -> tuple[list[Answer], list[Taken]]:
        rest = reply[count:]
        taken = [
            Taken(rest[at].decode(), int(rest[at + 1]), Action(rest[at + 2].decode()))
            for at in range(0, len(rest), 3)
        ]
        return [Answer(answer) for answer in reply[:count]], taken

    return Call("deliver", arguments, read)


def sweep(after_ms: float) -> Call[tuple[int, bool]]:
    """Call those unconfirmed of whom nothing final was heard for so long.

    Returns:
        How many, and whether more wait.
    """
    return Call("sweep", [int(after_ms), SWEEP_LIMIT], lambda r: (r[0], bool(r[1])))
