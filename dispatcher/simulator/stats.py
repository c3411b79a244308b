"""Counts of what reached the provider, for tests and for a person watching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from dispatcher.simulator.record import Entry


class Stats(msgspec.Struct, kw_only=True):
    """Totals since the start.

    Attributes:
        sends: Send requests, refused ones too.
        units: What those count for.
        taken: Messages taken.
        taken_units: What those count for.
        searches: Search requests, refused ones too.
        answers: Send requests by status answered; `none` where nothing was.
        faults: Send requests by the fault that struck.
    """

    sends: int = 0
    units: int = 0
    taken: int = 0
    taken_units: int = 0
    searches: int = 0
    answers: dict[str, int] = {}
    faults: dict[str, int] = {}

    def count(self, entry: Entry) -> None:
        """Count one send request."""
        self.sends += 1
        self.units += entry.units
        if entry.taken:
            self.taken += 1
            self.taken_units += entry.units
        _add(self.answers, "none" if entry.status is None else str(entry.status))
        if entry.fault is not None:
            _add(self.faults, entry.fault)


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
