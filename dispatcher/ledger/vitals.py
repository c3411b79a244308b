"""Signs of life in the ledger: who works, what waits, what holds all up. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dispatcher.ledger.calls import HEARTBEAT_MS
from dispatcher.ledger.scripts import Call


@dataclass(frozen=True, slots=True)
class Vitals:
    """How things stand, as of one moment.

    Attributes:
        children: Worker processes whose heart beats.
        at_work: Those of them in a shift.
        down: Those that cannot reach the provider.
        ready: Campaigns with something to send now.
        inbox: Callbacks stored and not applied.
        receiving: Whether somebody applies them.
        doubts: Writes that are looked for at the provider.
        suppressed: Opted-out numbers, of all lists.
        rest_ms: For so long the account still pauses because of a 429.
    """

    children: int
    at_work: int
    down: int
    ready: int
    inbox: int
    receiving: bool
    doubts: int
    suppressed: int
    rest_ms: int


def vitals() -> Call[Vitals]:
    """Look at everything but the campaigns."""
    return Call("vitals", [HEARTBEAT_MS], _read)


def _read(reply: list[Any]) -> Vitals:
    found = Vitals(*reply)
    return replace(found, receiving=bool(found.receiving))
