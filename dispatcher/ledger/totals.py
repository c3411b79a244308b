"""Sums over all campaigns, made in the ledger: what metrics tell.

Reading ten thousand campaigns to add them up would move their texts; these are a few
numbers. It never tells one campaign from another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.states import CampaignState, DeliveryState, GroupState

#: Campaigns summed up in one call: Redis is busy for some milliseconds.
PAGE: Final = 200
#: Times that they are summed up again, because some were archived meanwhile.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Totals:
    """All campaigns together.

    Attributes:
        overdue_ms: For so long the group handed back first has been due.
    """

    campaigns: Mapping[CampaignState, int]
    groups: Mapping[GroupState, int]
    recipients: Mapping[DeliveryState, int]
    units: int
    doubled: int
    overdue_ms: int


def read_totals(ledger: Ledger) -> Totals:
    """Sum up; campaigns that change meanwhile count as they were or as they are.

    What only grows has those in it that were archived.
    """
    for _ in range(_TRIES):
        archived = _archived(ledger)
        sums, overdue = _sums(ledger)
        # One that is archived meanwhile may hide another, on another page.
        if archived == _archived(ledger):
            break
    sums.update(archived)
    return Totals(
        campaigns={state: sums[f"campaigns:{state}"] for state in CampaignState},
        groups={state: sums[state.word] for state in GroupState},
        recipients={state: sums[state.counter] for state in DeliveryState},
        units=sums["gated_units"],
        doubled=sums["doubled"],
        overdue_ms=overdue,
    )


def _archived(ledger: Ledger) -> dict[str, int]:
    return {k.decode(): int(n) for k, n in ledger.pages_of(key("archived"))}


def _sums(ledger: Ledger) -> tuple[Counter[str], int]:
    """Of all campaigns that are there."""
    sums: Counter[str] = Counter()
    overdue, place, seen = 0, 0, PAGE
    while seen == PAGE:
        seen, late, some = ledger.run(sum_up(place))
        sums.update(some)
        overdue, place = max(overdue, late), place + seen
    return sums, overdue


def sum_up(first: int) -> Call[tuple[int, int, dict[str, int]]]:
    """Sum up a page of campaigns, from this place on in the order of submission.

    Its reply: how many there were, for how long (ms) a group has been due, the sums.
    """
    return Call("totals", [first, PAGE], _read)


def _read(reply: list[Any]) -> tuple[int, int, dict[str, int]]:
    seen, overdue, *pairs = reply
    sums = {
        name.decode(): int(n) for name, n in zip(pairs[::2], pairs[1::2], strict=True)
    }
    return seen, overdue, sums
