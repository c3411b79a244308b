"""Which ledger this is, and whether it forgot something: what identify.lua is asked.

A ledger has a nonce and counts every group it lets through the gate. Whoever was told
a count knows a ledger that shows a smaller one, or another nonce, for another or for an
older copy of this one: what was sent in between it would send again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from dispatcher.ledger.scripts import Call

#: Reason of the pause of every campaign in a ledger that was set back. It cannot be
#: resumed before somebody verified it: then the reason is `VERIFIED`.
SET_BACK: Final = "ledger"
VERIFIED: Final = "ledger, verified"


class Doubt(StrEnum):
    """What is wrong with a ledger."""

    NONE = ""
    PRIMARY = "another primary"  # a replica was promoted
    LEDGER = "another ledger"  # another nonce: emptied, or not the one we served
    SET_BACK = "set back"  # our nonce, but it forgot what it told us


@dataclass(frozen=True, slots=True)
class Identity:
    """What one remembers of a ledger.

    Attributes:
        nonce: Its name; "" for one that is not known yet.
        count: Groups let through the gate, ever, by any child.
    """

    nonce: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found.

    Attributes:
        identity: The ledger as it is.
        history: Another after every start, and on every promoted replica.
        doubt: What is wrong with it.
        paused: Campaigns paused for it.
    """

    identity: Identity
    history: str
    doubt: Doubt
    paused: int


def compare(child: str, seen: Identity) -> Call[Compared]:
    """Compare the ledger with what a child remembers; pause everything if it forgot."""
    return Call("identify", [child, seen.nonce, seen.count], _read)


def _read(reply: list[Any]) -> Compared:
    nonce, count, history, why, paused = reply
    return Compared(
        Identity(nonce.decode(), count), history.decode(), Doubt(why.decode()), paused
    )
